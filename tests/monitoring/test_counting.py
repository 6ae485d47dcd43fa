from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from nbship.model.build.reference import Distribution, describe, dump_reference, load_reference
from nbship.model.signature import Field, Signature
from nbship.monitoring.drift.compared import Compared
from nbship.monitoring.drift.counting import FieldCounts
from nbship.monitoring.drift.fields import measure, settle


def _reference(values: np.ndarray, dtype: str = "float") -> Distribution:
    field = Field("x", dtype, nullable=True, open=dtype == "category")
    counted = describe({"x": values}, Signature(inputs=(field,)), outputs={})
    return load_reference(dump_reference(counted)).fields["x"]


def _compared(reference: Distribution, *parts: np.ndarray | None) -> Compared:
    counts = FieldCounts("x", reference)
    for values in parts:
        counts.add(values)
    return counts.compared()


def _drift(reference: Distribution, values: np.ndarray | None) -> dict[str, Any]:
    record = settle([measure(_compared(reference, values), min_rows=200)])[0]
    json.dumps(record, allow_nan=False)
    return record


def test_numbers_are_merged_into_about_ten_bins() -> None:
    rng = np.random.default_rng(0)
    compared = _compared(_reference(rng.normal(0, 1, 20_000)), rng.normal(0, 1, 5000))
    assert compared.current is not None
    assert len(compared.reference.labels) == 12
    assert compared.reference.rows == 20_000
    assert compared.current.rows == 5000
    inner = compared.reference.counts[1:-1]
    assert inner.min() > 1800
    assert compared.reference.counts[[0, -1]].tolist() == [0, 0]


def test_values_outside_the_training_data_have_a_bin() -> None:
    rng = np.random.default_rng(2)
    values = rng.uniform(0, 1, 2000)
    values[:100] = 2.0
    record = _drift(_reference(rng.uniform(0, 1, 20_000)), values)
    assert record["verdict"] == "insufficient"  # without a history
    assert record["distribution"][-1] == {"label": "> 1", "reference": 0.0, "current": 0.05}


def test_new_and_missing_categories_are_counted() -> None:
    rng = np.random.default_rng(3)
    before = rng.choice(np.array(["a", "b", None], dtype=object), 9000)
    now = rng.choice(np.array(["a", "b", "c", None], dtype=object), 3000)
    record = _drift(_reference(before, "category"), now)
    assert record["verdict"] == "alert"
    assert record["new_categories"]["most_frequent"] == ["c"]
    assert record["missing"]["reference_share"] == pytest.approx(1 / 3, abs=0.02)


def test_free_text_is_only_checked_for_missing_values() -> None:
    reference = _reference(np.array([f"text {k}" for k in range(1000)], dtype=object), "string")
    other = np.array([f"other {k}" for k in range(1000)], dtype=object)
    assert _drift(reference, other)["verdict"] == "insufficient"
    other[:500] = None
    assert _drift(reference, other)["verdict"] == "alert"


def test_a_missing_field_is_counted_as_missing() -> None:
    for reference in (_reference(np.arange(500.0)), _reference(np.array(["a"] * 500, dtype=object), "category")):
        assert _drift(reference, None)["verdict"] == "alert"
