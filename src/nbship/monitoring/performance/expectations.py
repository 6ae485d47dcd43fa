"""Performance that is not known yet, estimated from the probabilities, with an interval that earlier windows have earned.

If probabilities are right, they say how often the model is right: the expected Brier score of a row is p (1 - p). They are
not always right, so the interval comes from the errors of such estimates in earlier windows, whose labels are known now.
How often those intervals held the truth is stated; an estimate that did not earn trust is not shown as a number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from ...model.signature import Column
from ...text import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["estimated", "estimates", "expected_measures", "last_labelled"]

# The nominal share of intervals that hold the truth, and the least share that did in earlier windows.
_LEVEL, _LEAST_HELD = 0.9, 0.8
# Earlier windows whose errors make an interval, and intervals that were tried.
_LEAST_WINDOWS, _LEAST_TRIED = 4, 5
# The share of labelled rows from which a window's measures are the truth.
_KNOWN = 0.9


def estimates(
    frame: pd.DataFrame,
    measured: Mapping[str, Any],
    earlier: Sequence[Mapping[str, Any]],
    *,
    kind: str,
    first: str,
) -> dict[str, Any]:
    """Return what is known of performance without labels.

    Parameters
    ----------
    frame
        One row per prediction, with the column `predicted`.
    measured
        The section `performance` of this window.
    earlier
        The reports of earlier windows, oldest first.
    kind
        What is predicted: "probability" or "value". A value says nothing about its error.
    first
        The first date of this window.

    Returns
    -------
    dict
        `expected`: what the probabilities let expect; `estimates` while less than nine in ten rows have a label, with the
        errors of earlier windows; and `last_labelled`, the last window whose performance is known.
    """
    expected = expected_measures(frame["predicted"].to_numpy()) if kind != "value" else {}
    if (measured["share_labelled"] or 0) >= _KNOWN:
        return {"expected": expected, "estimates": [], "last_labelled": None}
    return {
        "expected": expected,
        "estimates": estimated(expected, [each["performance"] for each in earlier]),
        "last_labelled": last_labelled(earlier, first=first, measure="mae" if kind == "value" else "auc"),
    }


def expected_measures(probability: Column) -> dict[str, float | None]:
    """Return the Brier score, the rate and the AUC that are expected of probabilities, if they are right.

    For the AUC, each row counts as `p` of a positive and `1 - p` of a negative one.

    >>> expected_measures(np.array([0.5, 0.5]))
    {'base_rate': 0.5, 'brier': 0.25, 'auc': 0.5}
    """
    p = np.sort(np.asarray(probability, dtype=np.float64))
    if not len(p):
        return {"base_rate": None, "brier": None, "auc": None}
    positive, negative = float(p.sum()), float((1 - p).sum())
    area = None
    if positive and negative:
        _, index = np.unique(p, return_inverse=True)
        below, at = np.bincount(index, weights=1 - p), np.bincount(index, weights=p)
        area = float(at @ (np.cumsum(below) - below / 2)) / (positive * negative)
    return {"base_rate": float(p.mean()), "brier": float((p * (1 - p)).mean()), "auc": area}


def estimated(expected: Mapping[str, float | None], earlier: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Estimate each measure of a window without labels.

    Parameters
    ----------
    expected
        `expected_measures` of the window.
    earlier
        The sections `performance` of the reports of earlier windows, oldest first, with `expected`, `measures` and
        `share_labelled`.

    Returns
    -------
    list
        For each measure `measure`, `value`, `low`, `high`, `windows` (earlier ones with an interval), `held` (those whose
        interval held the truth), `shown` and `reason`. `value`, `low` and `high` are None unless `shown`.
    """
    return [_estimate(name, value, earlier) for name, value in expected.items()]


def _estimate(name: str, value: float | None, earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    pairs = [
        (float(guess), float(truth))
        for each in earlier
        if (each.get("share_labelled") or 0) >= _KNOWN
        and (guess := (each.get("expected") or {}).get(name)) is not None
        and (truth := each["measures"].get(name)) is not None
    ]
    errors = [truth - guess for guess, truth in pairs]
    tried = [_interval(guess, errors[:number]) for number, (guess, _) in enumerate(pairs) if number >= _LEAST_WINDOWS]
    held = sum(low <= truth <= high for (low, high), (_, truth) in zip(tried, pairs[_LEAST_WINDOWS:], strict=True))
    record = {"measure": name, "value": None, "low": None, "high": None, "windows": len(tried), "held": held}
    words = f"The interval held the truth in {held} of {counted(len(tried), 'earlier window')}"
    if value is None or len(tried) < _LEAST_TRIED:
        needed = _LEAST_WINDOWS + _LEAST_TRIED
        return record | {
            "shown": False,
            "reason": f"{counted(len(pairs), 'earlier window')} with labels; an estimate needs {needed}.",
        }
    if held < _LEAST_HELD * len(tried):
        return record | {"shown": False, "reason": f"{words}: the estimate is not to be relied on."}
    low, high = _interval(value, errors)
    return record | {"value": (low + high) / 2, "low": low, "high": high, "shown": True, "reason": f"{words}."}


def _interval(guess: float, errors: Sequence[float]) -> tuple[float, float]:
    """Return the interval of the truth, given a guess and the errors of earlier guesses (Student's t)."""
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    spread = float(np.std(errors, ddof=1)) * math.sqrt(1 + 1 / len(errors))
    reach = float(stdtrit(len(errors) - 1, 0.5 + _LEVEL / 2)) * spread
    centre = guess + float(np.mean(errors))
    return centre - reach, centre + reach


def last_labelled(earlier: Sequence[Mapping[str, Any]], *, first: str, measure: str) -> dict[str, Any] | None:
    """Return the last window whose performance is known: `from`, `to`, the measure's `value`, and `age_days`.

    Parameters
    ----------
    earlier
        The reports of earlier windows, oldest first.
    first
        The first date of this window.
    measure
        The measure.
    """
    for report in reversed(earlier):
        section = report["performance"]
        if (section.get("share_labelled") or 0) >= _KNOWN and section["measures"].get(measure) is not None:
            window = report["window"]
            age = (date.fromisoformat(first) - date.fromisoformat(window["to"])).days
            return {"from": window["from"], "to": window["to"], "value": section["measures"][measure], "age_days": age}
    return None
