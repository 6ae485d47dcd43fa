"""Packages of every past format stay readable, and answer as they did.

`package_format_1.zip` was made by `build_shop` in `tests/orders.py`; it is never made anew.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from orders import make_orders

from nbship import acceptance
from nbship.model.package import manifest
from nbship.predictor import read_package

KEPT = sorted(Path(__file__).parent.glob("package_format_*.zip"))


def test_there_is_one_for_every_format() -> None:
    assert [path.stem for path in KEPT] == [f"package_format_{number}" for number in range(1, manifest.FORMAT + 1)]


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_it_answers_its_golden_rows_and_new_ones(path: Path) -> None:
    model = acceptance.load_proven(*read_package(path))
    assert (model.name, model.backend) == ("shop", "tables")
    assert model.signature.names == ("ordered", "shop", "customer", "price", "pieces", "gift", "rain")
    assert model.signature.event_time == "ordered"
    answers = model.predict(make_orders(50, seed=4).drop(columns="rain"))
    assert answers.label is not None
    assert 0 < answers.label.mean() < 1
    assert "Which orders come back?" in model.package.card
