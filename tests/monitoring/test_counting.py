from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from nbship.model.build.reference import Distribution, describe, dump_reference, load_reference
from nbship.model.signature import Field, Signature
from nbship.monitoring.counting import FieldCounts
from nbship.monitoring.drift import drift
from nbship.monitoring.report import Compared

LIMITS: dict[str, Any] = {"alpha": 1e-4, "min_rows": 200}
LOUD = {"warning", "alert"}


def _reference(values: np.ndarray, dtype: str = "float") -> Distribution:
    field = Field("x", dtype, nullable=True, open=dtype == "category")
    counted = describe({"x": values}, Signature(inputs=(field,)), outputs={})
    return load_reference(dump_reference(counted))["x"]


def _compared(reference: Distribution, *parts: np.ndarray | None) -> Compared:
    counts = FieldCounts("x", reference)
    for values in parts:
        counts.add(values)
    return counts.compared()


def _drift(reference: Distribution, values: np.ndarray | None) -> dict[str, Any]:
    compared = _compared(reference, values)
    record = drift("x", compared.reference, compared.current, **LIMITS)
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


def test_half_a_standard_deviation_is_seen_and_no_change_is_not() -> None:
    rng = np.random.default_rng(1)
    reference = _reference(rng.gamma(2, 1, 20_000))
    seen = [_drift(reference, rng.gamma(2, 1, 1000) + 0.5 * np.sqrt(2))["verdict"] in LOUD for _ in range(60)]
    false = [_drift(reference, rng.gamma(2, 1, 1000))["verdict"] in LOUD for _ in range(200)]
    assert np.mean(seen) >= 0.95
    assert sum(false) == 0


@pytest.mark.parametrize("elsewhere", [4.9, 5.1, -1e300, 1e300])
def test_a_constant_that_changed_is_an_alert(elsewhere: float) -> None:
    reference = _reference(np.full(1000, 5.0))
    assert _drift(reference, np.full(500, 5.0))["verdict"] == "ok"
    assert _drift(reference, np.full(500, elsewhere))["verdict"] == "alert"


def test_values_outside_the_training_data_have_a_bin() -> None:
    rng = np.random.default_rng(2)
    values = rng.uniform(0, 1, 2000)
    values[:100] = 2.0
    record = _drift(_reference(rng.uniform(0, 1, 20_000)), values)
    assert record["verdict"] in LOUD
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
    assert _drift(reference, other)["verdict"] == "ok"
    other[:500] = None
    assert _drift(reference, other)["verdict"] == "alert"


def test_a_missing_field_is_counted_as_missing() -> None:
    for reference in (_reference(np.arange(500.0)), _reference(np.array(["a"] * 500, dtype=object), "category")):
        assert _drift(reference, None)["verdict"] == "alert"


SHAPES = {
    "none": np.array([]),
    "one": np.array([1.0]),
    "constant": np.full(500, 1.0),
    "all missing": np.full(500, np.nan),
    "infinite": np.tile([np.inf, -np.inf], 250),
    "huge": np.tile([1e308, -1e308], 250),
    "two values": np.tile([0.0, 1.0], 250),
    "tiny": np.tile([5e-324, 0.0], 250),
}


@pytest.mark.parametrize("before", SHAPES)
@pytest.mark.parametrize("now", SHAPES)
def test_counting_never_raises_or_gives_nan(before: str, now: str) -> None:
    record = _drift(_reference(SHAPES[before]), SHAPES[now])
    if min(SHAPES[before].size, SHAPES[now].size) < 200:
        assert record["verdict"] == "insufficient"
    elif before == now:
        assert record["verdict"] == "ok"
