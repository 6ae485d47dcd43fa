"""A window is compared with earlier ones: a drop and a slow decline are named, and windows that differ as before are not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from nbship.monitoring.performance import performance
from nbship.monitoring.trend import history
from nbship.monitoring.volume import volume
from nbship.monitoring.window import parse_window

ALPHA, UTC = 1e-3, ZoneInfo("UTC")
FIRST = date(2024, 1, 1)


def week(
    seed: int, number: int, *, strength: float = 1.0, version: str = "1", labelled: float = 1.0, kind: str = "probability"
) -> dict[str, Any]:  # fmt: skip
    """Return the sections of a week whose days and whose model's strength differ by chance."""
    random = np.random.default_rng([seed, number])
    rows, first = 1500, FIRST + timedelta(days=7 * number)
    at = np.sort(random.random(rows)) * 7
    x = random.normal(size=rows) + random.normal(scale=0.3, size=7)[at.astype(int)]
    predicted = 1 / (1 + np.exp(1.2 - x))
    true = 1 / (1 + np.exp(1.2 - (strength + random.normal(scale=0.05)) * x))
    actual = (random.random(rows) < true).astype(float)
    if kind == "value":
        actual = predicted + random.normal(scale=1 / strength, size=rows)
    actual[random.random(rows) >= labelled] = np.nan
    frame = pd.DataFrame({"event_time": pd.Timestamp(first, tz="UTC") + pd.to_timedelta(at, unit="D"), "predicted": predicted, "actual": actual, "mode": "batch", "version": version})  # fmt: skip
    window = parse_window(str(first), str(first + timedelta(days=7)), zone=UTC)
    return {
        "version": version,
        "window": {"from": window.first, "to": window.last, "timezone": "UTC"},
        "volume": volume(frame, window, alpha=ALPHA, min_rows=200),
        "performance": performance(frame, kind=kind, reference=None, alpha=ALPHA, min_rows=200),
        "drift": [{"verdict": "ok"}] * 9,
    }


def compare(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found = history(reports[-1], reports[:-1], alpha=ALPHA)
    json.dumps(found, allow_nan=False)
    return found


def by_check(found: dict[str, Any]) -> dict[str, Any]:
    return {check["check"]: check for check in found["checks"]}


@pytest.mark.parametrize("number", [8, 20])
@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(3, 150), marks=pytest.mark.long)])
def test_weeks_that_differ_by_chance_are_no_finding(seeds: range, number: int) -> None:
    verdicts = [compare([week(seed, k) for k in range(number)])["verdict"] for seed in seeds]
    assert sum(verdict != "ok" for verdict in verdicts) <= len(seeds) // 100


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(3, 60), marks=pytest.mark.long)])
def test_a_week_with_a_much_weaker_model_is_below_the_others(seeds: range) -> None:
    found = [by_check(compare([*(week(seed, k) for k in range(12)), week(seed, 12, strength=0.1)])) for seed in seeds]
    assert sum(one["auc"]["verdict"] == "warning" for one in found) >= 0.95 * len(seeds)
    assert found[0]["auc"]["reason"].startswith("The AUC is below that of 12 earlier windows: 0.5")


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(3, 60), marks=pytest.mark.long)])
def test_a_slow_decline_is_named(seeds: range) -> None:
    found = [by_check(compare([week(seed, k, strength=1.2 - 0.05 * k) for k in range(20)])) for seed in seeds]
    assert sum(one["decline of auc"]["verdict"] == "warning" for one in found) >= 0.95 * len(seeds)
    assert found[0]["decline of auc"]["reason"].startswith("The AUC falls slowly: from about 0.")
    assert found[0]["decline of auc"]["reason"].endswith("over 20 windows.")


def test_errors_of_predicted_values_that_grow_are_named() -> None:
    found = by_check(compare([week(1, k, strength=1 - 0.02 * k, kind="value") for k in range(16)]))
    assert found["decline of mae"]["verdict"] == "warning"
    assert "The mean absolute error rises slowly" in found["decline of mae"]["reason"]


def test_a_model_that_becomes_better_is_no_finding() -> None:
    found = compare([week(2, k, strength=0.3 + 0.05 * k) for k in range(16)])
    assert {one["verdict"] for one in found["checks"] if one["subject"] == "auc"} == {"ok"}


def test_drifted_inputs_beyond_earlier_windows_are_a_notice() -> None:
    last = week(3, 8) | {"drift": [{"verdict": "warning"}] * 6}
    found = compare([*(week(3, k) for k in range(8)), last])
    assert by_check(found)["inputs drifted"]["verdict"] == "notice"
    assert (
        "The number of drifted inputs is above that of 8 earlier windows: 6, and 0 on average then." in found["reason"]
    )


def test_few_earlier_windows_are_not_judged() -> None:
    found = compare([week(4, k) for k in range(4)])
    assert (found["verdict"], found["windows"]) == ("insufficient", 3)
    assert found["reason"] == "3 earlier windows of this length; a comparison needs 6."
    assert compare([week(4, 0)])["verdict"] == "insufficient"


def test_performance_is_that_of_one_version_with_its_labels() -> None:
    reports = [week(5, k, version="old") for k in range(8)]
    found = by_check(compare([*reports, week(5, 8, version="new", strength=0.2)]))
    assert found["auc"]["verdict"] == "insufficient"
    assert found["mean prediction"]["verdict"] == "ok"
    unlabelled = by_check(compare([*(week(5, k) for k in range(8)), week(5, 8, labelled=0.5)]))
    assert "auc" not in unlabelled


def test_windows_of_another_length_and_overlapping_ones_are_left_out() -> None:
    month = week(6, 3) | {"window": {"from": "2024-01-01", "to": "2024-02-01", "timezone": "UTC"}}
    shifted = week(6, 4) | {"window": {"from": "2024-01-25", "to": "2024-02-01", "timezone": "UTC"}}
    weeks = [week(6, k) for k in range(8)]
    in_order = sorted([*weeks, month, shifted], key=lambda each: (each["window"]["from"], each["window"]["to"]))
    assert compare(in_order)["windows"] == 7
