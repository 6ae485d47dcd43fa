from __future__ import annotations

import doctest
import json
import math

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from nbship import metrics
from nbship.errors import DataError


def _sample(seed: int, n: int, *, rounded: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probability = rng.random(n)
    actual = rng.random(n) < probability * 0.6
    return actual, np.round(probability, 2) if rounded else probability


@pytest.mark.parametrize("rounded", [False, True], ids=["distinct", "tied"])
@pytest.mark.parametrize("n", [2, 3, 17, 5000])
def test_classification_agrees_with_scikit_learn(n: int, rounded: bool) -> None:
    for seed in range(5):
        actual, probability = _sample(seed, n, rounded=rounded)
        actual[:2] = False, True
        found = metrics.classification(actual, probability)
        assert found["auc"] == pytest.approx(reference.roc_auc_score(actual, probability), abs=1e-12)
        assert found["average_precision"] == pytest.approx(
            reference.average_precision_score(actual, probability), abs=1e-12
        )
        assert found["brier"] == pytest.approx(reference.brier_score_loss(actual, probability), abs=1e-12)
        assert found["log_loss"] == pytest.approx(reference.log_loss(actual, probability), abs=1e-12)
        assert found["positives"] == actual.sum()
        assert found["base_rate"] == pytest.approx(actual.mean())


def test_decisions_agree_with_scikit_learn() -> None:
    actual, probability = _sample(1, 500, rounded=False)
    label = probability > 0.4
    found = metrics.classification(actual, probability, label=label)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(actual, label))
    assert found["precision"] == pytest.approx(reference.precision_score(actual, label))
    assert found["recall"] == pytest.approx(reference.recall_score(actual, label))


def test_regression_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    actual = rng.normal(10, 3, 400)
    value = actual + rng.normal(0.5, 1, 400)
    found = metrics.regression(actual, value)
    assert found["mae"] == pytest.approx(reference.mean_absolute_error(actual, value))
    assert found["rmse"] == pytest.approx(reference.root_mean_squared_error(actual, value))
    assert found["r2"] == pytest.approx(reference.r2_score(actual, value))
    assert found["bias"] == pytest.approx(np.mean(value - actual))


@pytest.mark.parametrize(
    ("actual", "probability", "undefined"),
    [
        (
            [],
            [],
            {"auc", "average_precision", "brier", "log_loss", "calibration_error", "base_rate", "mean_probability"},
        ),
        ([0], [0.3], {"auc", "average_precision"}),
        ([1], [0.3], {"auc"}),
        ([0, 0, 0], [0.0, 1.0, 0.5], {"auc", "average_precision"}),
        ([True, True], [1.0, 1.0], {"auc"}),
        ([0, 1], [1.0, 0.0], set()),
    ],
)
def test_what_is_undefined_is_none_and_nothing_is_nan(
    actual: list[int], probability: list[float], undefined: set[str]
) -> None:
    found = metrics.classification(actual, probability)
    assert {name for name, value in found.items() if value is None} == undefined
    assert all(math.isfinite(value) for value in found.values() if value is not None)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("actual", "value"), [([], []), ([1.0], [2.0]), ([3.0, 3.0], [1.0, 5.0]), ([1e300, -1e300], [0.0, 1e300])]
)
def test_regression_is_never_nan(actual: list[float], value: list[float]) -> None:
    found = metrics.regression(actual, value)
    assert found["n"] == len(actual)
    json.dumps(found, allow_nan=False)
    assert found["r2"] is None


@pytest.mark.parametrize(
    ("actual", "probability", "message"),
    [
        ([0, 1], [0.5], "2 outcomes and 1 prediction"),
        ([0, 2], [0.5, 0.5], "must be 0 or 1"),
        ([0, None], [0.5, 0.5], "must be 0 or 1"),
        ([0, 1], [0.5, float("nan")], "must be between 0 and 1"),
        ([0, 1], [0.5, 1.5], "must be between 0 and 1"),
        (["yes", "no"], [0.5, 0.5], "must be numbers"),
        ([[0, 1]], [0.5, 0.5], "one dimension, not 2"),
    ],
)
def test_unusable_data_are_an_error(actual: list[object], probability: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        metrics.classification(actual, probability)  # type: ignore[arg-type]


def test_calibration_error_of_a_shifted_prediction_is_the_shift() -> None:
    rng = np.random.default_rng(3)
    truth = rng.uniform(0.1, 0.6, 200_000)
    actual = rng.random(truth.size) < truth
    assert metrics.classification(actual, truth)["calibration_error"] < 0.01
    assert metrics.classification(actual, truth + 0.2)["calibration_error"] == pytest.approx(0.2, abs=0.01)


def test_calibration_curve_holds_every_row_once_and_keeps_ties_together() -> None:
    actual, probability = _sample(2, 1000, rounded=False)
    probability = np.round(probability, 1)
    curve = metrics.calibration_curve(actual, probability, bins=20)
    assert sum(record["n"] for record in curve) == 1000
    assert sorted(record["probability"] for record in curve) == pytest.approx([k / 10 for k in range(11)])
    assert metrics.calibration_curve([], []) == []


def test_each_slice_is_measured() -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "shop": rng.choice(["b", "a", None], 900),
            "month": rng.integers(1, 13, 900),
            "actual": rng.integers(0, 2, 900),
            "probability": rng.random(900),
        }
    )
    rows = metrics.by_slice(frame, ["shop", "month"])
    assert [row["value"] for row in rows] == ["a", "b", None, *range(1, 13)]
    for row in rows:
        column = frame[row["slice"]]
        part = frame[column.isna() if row["value"] is None else column == row["value"]]
        expected = metrics.classification(part["actual"], part["probability"])
        assert {name: row[name] for name in expected} == pytest.approx(expected)
    json.dumps(rows, allow_nan=False)


def test_a_slice_of_many_values_keeps_the_frequent_ones() -> None:
    frame = pd.DataFrame({"key": ["a"] * 5 + ["b"] * 4 + list("cdefg"), "actual": 1, "probability": 0.5})
    rows = metrics.by_slice(frame, "key", most=2)
    assert [(row["value"], row["n"]) for row in rows] == [("a", 5), ("b", 4), ("other values", 5)]


def test_slices_of_a_missing_column_or_of_nothing() -> None:
    frame = pd.DataFrame({"actual": [], "probability": [], "shop": []})
    assert metrics.by_slice(frame, "shop") == []
    with pytest.raises(DataError, match="no column 'city'"):
        metrics.by_slice(frame, "city")


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(metrics).failed == 0
