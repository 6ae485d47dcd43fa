from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nbship.metrics import classification
from nbship.monitoring.performance import performance, slices

LIMITS: dict[str, Any] = {"alpha": 1e-4, "min_rows": 200}


def _window(seed: int, n: int, *, signal: float = 1.5, bias: float = 0.0, labelled: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    score = rng.normal(0, 1, n)
    truth = 1 / (1 + np.exp(-(signal * score - 1.5)))
    predicted = np.clip(1 / (1 + np.exp(-(1.5 * score - 1.5))) + bias, 0, 1)
    actual = (rng.random(n) < truth).astype(float)
    actual[rng.random(n) >= labelled] = np.nan
    return pd.DataFrame({"predicted": predicted, "actual": actual, "shop": rng.choice(["a", "b", "c"], n)})


HELD_OUT = classification(*(_window(0, 20_000)[name] for name in ("actual", "predicted")))


def _judge(frame: pd.DataFrame) -> dict[str, Any]:
    return performance(frame, kind="probability", reference=HELD_OUT, **LIMITS)


def test_an_unchanged_model_rarely_raises_an_alarm() -> None:
    verdicts = [_judge(_window(seed, 1000))["verdict"] for seed in range(1, 301)]
    assert set(verdicts) == {"ok"}


def test_a_lower_auc_is_a_finding() -> None:
    record = _judge(_window(1, 5000, signal=0.5))
    check = record["checks"][0]
    assert (check["check"], check["verdict"]) == ("auc", "alert")
    assert check["change"] == pytest.approx(check["value"] - check["reference"])
    assert record["verdict"] == "alert"


def test_probabilities_that_are_too_high_are_a_finding() -> None:
    record = _judge(_window(1, 5000, bias=0.05))
    assert [check["verdict"] for check in record["checks"]] == ["ok", "warning"]


def test_without_labels_there_is_no_verdict() -> None:
    record = _judge(_window(1, 5000, labelled=0.0))
    assert record["verdict"] == "insufficient"
    assert record["reason"] == "None of 5000 rows has a label yet."
    assert record["share_labelled"] == 0.0


def test_few_labels_are_insufficient_however_bad() -> None:
    record = _judge(_window(1, 150, signal=-3.0))
    assert record["verdict"] == "insufficient"
    assert record["measures"]["n"] == 150


def test_one_class_is_insufficient() -> None:
    frame = _window(1, 1000).assign(actual=0.0, predicted=0.01)
    assert _judge(frame)["verdict"] == "insufficient"


def test_without_held_out_measures_the_ranking_cannot_be_judged() -> None:
    record = performance(_window(1, 1000), kind="probability", reference=None, **LIMITS)
    assert [check["verdict"] for check in record["checks"]] == ["insufficient", "ok"]
    assert record["reference"] is None


def test_a_value_is_judged_by_its_error() -> None:
    rng = np.random.default_rng(0)
    actual = rng.normal(0, 1, 3000)
    frame = pd.DataFrame({"actual": actual, "predicted": actual + rng.normal(0, 2, 3000)})
    same = performance(frame, kind="value", reference={"mae": 1.6}, **LIMITS)
    worse = performance(frame, kind="value", reference={"mae": 1.0}, **LIMITS)
    assert (same["verdict"], worse["verdict"]) == ("ok", "alert")


@pytest.mark.parametrize("kind", ["probability", "value"])
@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_rows_raise_nothing_and_give_no_nan(kind: str, rows: int) -> None:
    record = performance(
        _window(1, rows), kind=kind, reference=HELD_OUT if kind == "probability" else {"mae": 1}, **LIMITS
    )
    json.dumps(record, allow_nan=False)
    assert record["verdict"] == "insufficient"


def test_a_badly_calibrated_slice_is_a_finding() -> None:
    frame = _window(3, 6000)
    frame.loc[frame["shop"] == "b", "predicted"] *= 0.5
    found = {row["value"]: row["verdict"] for row in slices(frame, ["shop"], kind="probability", **LIMITS)}
    assert found == {"a": "ok", "b": "warning", "c": "ok"}


def test_slices_count_all_rows_and_judge_labelled_ones() -> None:
    frame = _window(3, 3000)
    frame.loc[frame["shop"] == "b", "actual"] = np.nan
    found = {row["value"]: row for row in slices(frame, ["shop"], kind="probability", **LIMITS)}
    assert found["b"]["verdict"] == "insufficient"
    assert found["b"]["n"] == 0
    assert found["b"]["rows"] == (frame["shop"] == "b").sum()
    json.dumps(list(found.values()), allow_nan=False)


def test_unchanged_slices_rarely_raise_an_alarm() -> None:
    loud = sum(
        any(row["verdict"] == "warning" for row in slices(_window(seed, 3000), ["shop"], kind="probability", **LIMITS))
        for seed in range(200)
    )
    assert loud == 0


def test_a_well_calibrated_slice_of_a_badly_calibrated_window_is_ok() -> None:
    frame = _window(3, 9000, bias=0.1)
    frame.loc[frame["shop"] == "b", "predicted"] = _window(3, 9000).loc[frame["shop"] == "b", "predicted"]
    found = {row["value"]: row["verdict"] for row in slices(frame, ["shop"], kind="probability", **LIMITS)}
    assert found["b"] == "ok"
