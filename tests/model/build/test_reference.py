from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from orders import make_orders

from nbship.errors import CorruptPackageError
from nbship.model import Field, Signature, columns_of
from nbship.model.build.reference import count, describe, dump_reference, load_reference

SIGNATURE = Signature(
    (
        Field("n", "float", nullable=True),
        Field("k", "category", open=True, nullable=True),
        Field("t", "string"),
        Field("b", "bool"),
    )
)


@pytest.fixture
def columns() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    numbers = random.normal(size=5000)
    numbers[::10] = np.nan
    kinds = random.choice(np.array(["x", "y", None], dtype=object), 5000)
    return {"n": numbers, "k": kinds, "t": np.array(["secret"] * 5000, dtype=object), "b": numbers > 0}


def test_counts_are_stored_and_rows_are_not(columns: dict[str, np.ndarray]) -> None:
    labels = columns["n"] > 1
    described = describe(columns, SIGNATURE, outputs={"label": labels, "probability": np.linspace(0, 1, 5000)})
    assert described["n"].missing == 500
    assert all(each.rows == 5000 for each in described.values())
    assert 100 <= len(described["n"].counts) <= 102
    assert described["n"].counts[1:-1].std() < 2
    assert described["k"].categories == ("x", "y")
    assert described["b"].categories == ("false", "true")
    assert described["label"].counts.sum() == 5000
    assert b"secret" not in dump_reference(described)
    again = load_reference(dump_reference(described))
    assert again.keys() == described.keys()
    for name, each in described.items():
        assert (again[name].kind, again[name].role, again[name].missing) == (each.kind, each.role, each.missing)
        assert again[name].counts.tolist() == each.counts.tolist()
        np.testing.assert_array_equal(again[name].edges, each.edges)
    assert dump_reference(again) == dump_reference(described)


def test_new_values_are_counted_in_the_same_bins(columns: dict[str, np.ndarray]) -> None:
    described = describe(columns, SIGNATURE, outputs={})
    for name in ("n", "k", "t"):
        counts, missing, unseen = count(columns[name], described[name])
        assert counts.tolist() == described[name].counts.tolist()
        assert (missing, unseen) == (described[name].missing, {})
    far = count(np.array([-1e9, 1e9, np.nan]), described["n"])
    assert (far[0][0], far[0][-1], far[0].sum(), far[1]) == (1, 1, 2, 1)
    counts, missing, unseen = count(np.array(["x", "z", None], dtype=object), described["k"])
    assert (counts.tolist(), missing, unseen) == ([1, 0], 1, {"z": 1})


@pytest.mark.parametrize("values", [[], [np.nan] * 5, [3.0] * 600, [1.0, np.nan]])
def test_columns_of_unusual_values_have_a_distribution(values: list[float]) -> None:
    signature = Signature((Field("n", "float", nullable=True),))
    each = load_reference(dump_reference(describe({"n": np.array(values)}, signature, outputs={})))["n"]
    assert each.rows == len(values)


def test_the_reference_covers_inputs_lookups_and_outputs(shop_package: Callable[[str], Path]) -> None:
    described = load_reference((shop_package("binary") / "reference.parquet").read_bytes())
    assert described.keys() == {"shop", "customer", "price", "pieces", "gift", "rain", "label", "probability"}
    orders = columns_of(make_orders())
    assert described["rain"].missing == np.isnan(orders["rain"]).sum()
    assert described["customer"].kind == "text"


def test_a_damaged_reference_is_an_error() -> None:
    with pytest.raises(CorruptPackageError, match=r"'reference.parquet' cannot be read"):
        load_reference(b"PAR1")
