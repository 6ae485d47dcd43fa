"""Predictions that decide which labels are known, or what happens, are found; labels that take their time are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nbship.monitoring.performance import feedback, labels

ALPHA = 1e-3
START = pd.Timestamp("2024-03-04", tz="UTC")
NEVER = pd.Timestamp("2025-03-01", tz="UTC")
Chosen = Callable[[Any], Any]


def month(seed: int, *, number: int = 0, rows: int = 6000, label: Chosen = lambda p: 0.9, happens: Chosen = lambda p: p) -> pd.DataFrame:  # fmt: skip
    """Return four weeks of predictions. Outcomes that happen become known late, and days differ.

    Parameters
    ----------
    label
        The probability that the outcome of a prediction ever becomes known.
    happens
        The probability of the outcome.
    """
    random = np.random.default_rng(seed)
    at = np.sort(random.random(rows)) * 28
    effect = random.normal(scale=0.4, size=28)[at.astype(int)]
    predicted = 1 / (1 + np.exp(1.5 - random.normal(size=rows) - effect))
    actual = (random.random(rows) < happens(predicted)).astype(float)
    delay = random.exponential(np.where(actual > 0, 4.0, 1.0), rows)
    actual[random.random(rows) >= label(predicted)] = np.nan
    event = START + pd.to_timedelta(28 * number + at, unit="D")
    return pd.DataFrame({"event_time": event, "predicted": predicted, "actual": actual, "actual_time": event + pd.to_timedelta(delay, unit="D")})  # fmt: skip


def report(frame: pd.DataFrame, as_of: pd.Timestamp, earlier: Any = (), *, kind: str = "probability") -> dict[str, Any]:
    """Return the sections of a window from what is known at a time."""
    unknown = (frame["actual_time"] > as_of) | frame["actual"].isna()
    known = frame.assign(actual=frame["actual"].mask(unknown), actual_time=frame["actual_time"].mask(unknown))
    when = as_of.to_pydatetime()
    found = {
        "labels": labels(known, as_of=when, earlier=[each["labels"] for each in earlier], alpha=ALPHA),
        "feedback": feedback(known, kind=kind, as_of=when, earlier=earlier, alpha=ALPHA, min_rows=200),
    }
    json.dumps(found, allow_nan=False)
    return found


def past(seed: int, **options: Any) -> list[dict[str, Any]]:
    """Return the reports of six months, each written when all its labels were known."""
    found: list[dict[str, Any]] = []
    for number in range(6):
        found.append(report(month(seed + number, number=number, **options), NEVER, found))
    return found


@pytest.fixture(scope="module")
def earlier() -> list[dict[str, Any]]:
    return past(1000)


def now(seed: int, earlier: Any, *, days: int = 60, **options: Any) -> dict[str, Any]:
    found = report(month(seed, number=6, **options), START + pd.Timedelta(days=28 * 7 + days), earlier)["feedback"]
    assert found["verdict"] == "insufficient" or len(found["fifths"]) == 5
    return found


@pytest.mark.parametrize("days", [2, 14, 60])
@pytest.mark.parametrize("seeds", [range(8), pytest.param(range(8, 300), marks=pytest.mark.long)])
def test_labels_that_take_their_time_are_no_finding(earlier: Any, days: int, seeds: range) -> None:
    verdicts = [now(seed, earlier, days=days)["verdict"] for seed in seeds]
    assert sum(verdict not in ("ok", "insufficient") for verdict in verdicts) <= len(seeds) // 100


@pytest.mark.parametrize("seeds", [range(4), pytest.param(range(4, 100), marks=pytest.mark.long)])
def test_labels_for_high_predictions_only_are_found(earlier: Any, seeds: range) -> None:
    found = [now(seed, earlier, label=lambda p: np.where(p > 0.2, 0.9, 0.6)) for seed in seeds]
    assert sum(one["checks"][0]["verdict"] == "warning" for one in found) >= 0.95 * len(seeds)
    assert "of the rows with the highest fifth of predictions have a label, and" in found[0]["reason"]
    assert "If predictions decide which labels are known, measures of performance mislead." in found[0]["reason"]
    assert found[0]["effective_rows"] > 0


def test_labels_that_were_always_chosen_are_a_notice() -> None:
    chosen: Any = {"label": lambda p: np.where(p > 0.2, 0.9, 0.3)}
    found = [now(seed, past(2000, **chosen), **chosen) for seed in range(4)]
    assert [one["checks"][0]["verdict"] for one in found] == ["notice"] * 4
    assert "as in earlier windows" in found[0]["reason"]


def test_without_earlier_windows_a_difference_is_not_judged() -> None:
    frame = month(3, label=lambda p: np.where(p > 0.2, 1.0, 0.3))
    assert report(frame, NEVER)["feedback"]["verdict"] == "insufficient"
    frame = month(3, label=lambda p: 1.0)
    assert report(frame, NEVER)["feedback"]["checks"][0]["verdict"] == "ok"


@pytest.mark.parametrize("seeds", [range(4), pytest.param(range(4, 100), marks=pytest.mark.long)])
def test_high_predictions_that_are_acted_on_are_found(earlier: Any, seeds: range) -> None:
    found = [now(seed, earlier, happens=lambda p: np.where(p > 0.33, 0.4 * p, p)) for seed in seeds]
    assert sum(one["checks"][1]["verdict"] == "warning" for one in found) >= 0.95 * len(seeds)
    assert "Is something done about high predictions?" in found[0]["reason"]


def test_a_model_that_is_worse_everywhere_is_not_taken_for_feedback(earlier: Any) -> None:
    found = [now(seed, earlier, happens=lambda p: 0.5 * p + 0.1) for seed in range(6)]
    assert [one["checks"][1]["verdict"] for one in found] == ["ok"] * 6


def test_predicted_values_have_no_outcomes_in_per_cent() -> None:
    frame = month(4, label=lambda p: 1.0)
    assert [check["check"] for check in report(frame, NEVER, kind="value")["feedback"]["checks"]] == [
        "labels by prediction"
    ]


@pytest.mark.parametrize("rows", [0, 1, 150])
def test_few_rows_are_not_judged(earlier: Any, rows: int) -> None:
    frame = month(5, number=6, rows=rows).assign(actual=lambda frame: frame["actual"].astype(float))
    assert feedback(frame, kind="probability", as_of=NEVER.to_pydatetime(), earlier=earlier, alpha=ALPHA, min_rows=200)["verdict"] == "insufficient"  # fmt: skip


@pytest.mark.parametrize("values", [[0.5], [0.0, 1.0], [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4, 0.4]])
def test_few_different_predictions_are_not_judged(earlier: Any, values: list[float]) -> None:
    frame = month(6, number=6)
    found = report(frame.assign(predicted=np.resize(values, len(frame))), NEVER, earlier)["feedback"]
    assert (found["verdict"], found["reason"]) == ("insufficient", "The predictions have too few different values to be compared.")  # fmt: skip
