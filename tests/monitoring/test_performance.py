from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from nbship.metrics import classification, holm, listed_tests
from nbship.monitoring.drift.bands import made_band
from nbship.monitoring.performance import performance, slices

LIMITS: dict[str, Any] = {"alpha": 1e-4, "min_rows": 200}
TIMES = pd.date_range("2024-05-01 12:00", periods=30, tz="UTC")


def _window(seed: int, n: int, *, signal: float = 1.5, bias: float = 0.0, labelled: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    score = rng.normal(0, 1, n)
    truth = 1 / (1 + np.exp(-(signal * score - 1.5)))
    predicted = np.clip(1 / (1 + np.exp(-(1.5 * score - 1.5))) + bias, 0, 1)
    actual = (rng.random(n) < truth).astype(float)
    actual[rng.random(n) >= labelled] = np.nan
    return pd.DataFrame(
        {
            "event_time": TIMES[np.arange(n) % len(TIMES)],
            "predicted": predicted,
            "actual": actual,
            "shop": rng.choice(["a", "b", "c"], n),
        }
    )


HELD_OUT = classification(*(_window(0, 20_000)[name] for name in ("actual", "predicted")))


def _judge(frame: pd.DataFrame) -> dict[str, Any]:
    return performance(frame, kind="probability", reference=HELD_OUT, **LIMITS)


def test_an_unchanged_model_rarely_raises_an_alarm() -> None:
    verdicts = [_judge(_window(seed, 1000))["verdict"] for seed in range(1, 121)]
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
    frame = pd.DataFrame(
        {"event_time": TIMES[np.arange(3000) % 30], "actual": actual, "predicted": actual + rng.normal(0, 2, 3000)}
    )
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
        for seed in range(60)
    )
    assert loud == 0


def test_a_well_calibrated_slice_of_a_badly_calibrated_window_is_ok() -> None:
    frame = _window(3, 9000, bias=0.1)
    frame.loc[frame["shop"] == "b", "predicted"] = _window(3, 9000).loc[frame["shop"] == "b", "predicted"]
    found = {row["value"]: row["verdict"] for row in slices(frame, ["shop"], kind="probability", **LIMITS)}
    assert found["b"] == "ok"


def _of_days(seed: int, *, days: int = 30, rows: int = 100, spread: float = 0.8, zone: str = "UTC") -> pd.DataFrame:
    """Return a window of a calibrated model, with days that are better and worse than usual."""
    frame = _window(seed, days * rows)
    rng = np.random.default_rng(seed + 10_000)
    times, day = pd.date_range("2024-05-01 12:00", periods=days, tz=zone), np.arange(days * rows) // rows
    odds = frame["predicted"] / (1 - frame["predicted"]) * np.exp(rng.normal(scale=spread, size=days)[day])
    rate = odds / (1 + odds)
    return frame.assign(event_time=times[day], actual=(rng.random(days * rows) < rate).astype(float))


def test_bad_days_by_chance_raise_no_alarm() -> None:
    records = [_judge(_of_days(seed)) for seed in range(60)]
    assert sum(record["verdict"] != "ok" for record in records) <= 1
    # The errors of rows would have raised dozens.
    misses = [record["intervals"]["miss"] for record in records]
    by_row = [2 * np.sqrt(0.16 / record["labelled"]) for record in records]
    assert sum(abs(one["low"] + one["high"]) / 2 > 2 * error for one, error in zip(misses, by_row, strict=True)) > 5
    assert all(record["effective_rows"] < record["labelled"] / 2 for record in records)


def test_intervals_hold_the_expected_share_of_windows() -> None:
    held = [_judge(_of_days(seed, spread=0.0))["intervals"] for seed in range(80)]
    for name, truth in (
        ("miss", 0.0),
        ("calibration_slope", 1.0),
        ("calibration_intercept", 0.0),
        ("auc", HELD_OUT["auc"]),
    ):
        assert 0.85 <= np.mean([one[name]["low"] <= truth <= one[name]["high"] for one in held]) <= 1, name


def test_probabilities_that_are_too_extreme_have_a_slope_below_one() -> None:
    frame = _window(5, 9000)
    odds = (frame["predicted"] / (1 - frame["predicted"])) ** 2
    measures = _judge(frame.assign(predicted=odds / (1 + odds)))["measures"]
    assert measures["calibration_slope"] == pytest.approx(0.5, abs=0.05)


def test_days_are_those_of_the_zone() -> None:
    frame = _window(1, 1000).assign(event_time=pd.Timestamp("2024-05-02 03:00", tz="UTC"))
    frame.loc[500:, "event_time"] = pd.Timestamp("2024-05-02 05:00", tz="UTC")
    in_new_york = performance(
        frame, kind="probability", reference=HELD_OUT, zone=ZoneInfo("America/New_York"), **LIMITS
    )
    assert (in_new_york["days"], _judge(frame)["days"]) == (2, 1)


def test_too_few_days_are_insufficient() -> None:
    record = _judge(_window(1, 5000, signal=-3.0).assign(event_time=TIMES[0]))
    assert record["verdict"] == "insufficient"
    assert record["reason"] == (
        "5000 of 5000 rows have a label, of 1 day; a verdict needs 5 days, as rows of one day are alike."
    )
    assert record["intervals"] == {}


def test_the_miss_of_a_small_slice_is_drawn_towards_the_others() -> None:
    rng = np.random.default_rng(0)
    frame = _window(8, 30_000).assign(shop=[f"shop {number}" for number in rng.integers(100, size=30_000)])
    found = slices(frame, ["shop"], kind="probability", alpha=0.01, min_rows=200)
    judged = [row for row in found if row["verdict"] != "insufficient"]
    assert {row["verdict"] for row in judged} == {"ok"}
    assert max(abs(row["miss"]) for row in judged) > 3 * max(abs(row["expected_miss"]) for row in judged)


def test_slices_that_look_bad_by_chance_are_not_named() -> None:
    loud = 0
    for seed in range(25):
        frame = _window(seed, 12_000)
        shops = np.random.default_rng(seed).integers(30, size=len(frame))
        found = slices(frame.assign(shop=shops), ["shop"], kind="probability", alpha=0.05, min_rows=200)
        loud += any(row["verdict"] == "warning" for row in found)
    assert loud <= 4


def test_corrected_p_values_are_those_of_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    p_values = np.random.default_rng(0).random(20) ** 4
    np.testing.assert_allclose(holm(p_values.tolist()), multipletests(p_values, method="holm")[1])


def test_listed_tests_are_those_of_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    for seed in range(20):
        p_values = np.random.default_rng(seed).random(20) ** 3
        assert listed_tests(p_values.tolist(), 0.1) == multipletests(p_values, alpha=0.1, method="fdr_bh")[0].tolist()


def test_a_band_is_the_prediction_interval_of_scipy() -> None:
    from scipy import stats

    past = np.random.default_rng(0).normal(3, 2, 20)
    band = made_band(past, least_spread=0.1)
    assert band is not None
    error = past.std(ddof=1) * np.sqrt(1 + 1 / 20)
    assert band.p_value(7.0) == pytest.approx(stats.t.sf((7.0 - past.mean()) / error, 19))
    assert band.limit(0.01) == pytest.approx(stats.t.isf(0.01, 19, past.mean(), error))
