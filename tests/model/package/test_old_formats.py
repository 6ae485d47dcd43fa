"""Packages of every past format stay readable and predict the same outputs.

`package_format_*.zip` were built with `build_shop` in `tests/orders.py`, by the nbship of their time.
`package_outputs.json` holds what that nbship predicted for new rows. None of these files is built again.
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from orders import make_orders

from nbship import acceptance
from nbship.model.package import manifest
from nbship.predictor import load_files, read_package

FOLDER = Path(__file__).parent
PACKAGES = sorted(FOLDER.glob("package_format_*.zip"))
EXPECTED = json.loads((FOLDER / "package_outputs.json").read_text(encoding="utf-8"))
# How far the probabilities of a backend may differ from those of scikit-learn: the bounds of acceptance.
BOUNDS = {"tables": 1e-12, "onnx": 1e-6}


def test_every_format_has_a_package_and_expected_outputs() -> None:
    names = [path.stem for path in PACKAGES]
    assert names == sorted(EXPECTED)
    assert {int(name.split("_")[2]) for name in names} == set(range(1, manifest.FORMAT + 1))
    assert {each["backend"] for each in EXPECTED.values()} == set(BOUNDS)


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.stem)
def test_an_old_package_predicts_the_same_outputs(path: Path) -> None:
    expected = EXPECTED[path.stem]
    model = acceptance.load_proven(*read_package(path))
    assert (model.name, model.backend) == ("shop", expected["backend"])
    assert model.signature.names == ("ordered", "shop", "customer", "price", "pieces", "gift", "rain")
    assert model.signature.event_time == "ordered"
    assert "Which orders come back?" in model.package.card
    assert_outputs(model, expected, within=BOUNDS[expected["backend"]])


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.stem)
def test_the_estimator_of_an_old_package_predicts_the_same_outputs(path: Path) -> None:
    """Its file names `nbship.model.features.ColumnFeatures`, which must stay importable under this name."""
    packaged, files = read_package(path)
    libraries = json.loads(files["provenance.json"])["libraries"]
    if libraries["scikit-learn"].split(".")[:2] != metadata.version("scikit-learn").split(".")[:2]:
        pytest.skip("scikit-learn reads estimators of its own minor version only")
    rest = {name: content for name, content in files.items() if name not in ("tables.npz", "model.onnx")}
    model = load_files(packaged, rest, other_versions=True)
    assert model.backend == "sklearn"
    assert_outputs(model, EXPECTED[path.stem], within=BOUNDS[EXPECTED[path.stem]["backend"]])


def assert_outputs(model: Any, expected: dict[str, Any], *, within: float) -> None:
    outputs = model.predict(make_orders(50, seed=4).drop(columns="rain"))
    np.testing.assert_allclose(outputs.probability, expected["probability"], rtol=0, atol=within)
    np.testing.assert_array_equal(outputs.label, np.array(expected["probability"]) > 0.5)
