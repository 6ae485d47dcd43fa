"""Performance of a window's predictions, on the rows whose outcome is known.

Rows of one day are alike, so errors are those of days (`nbship.metrics.blocks`): a month of 30,000 rows may tell as much
as 300 independent ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...metrics import (
    Estimate,
    Measures,
    block_auc,
    block_mean,
    calibration_curve,
    calibration_line,
    classification,
    regression,
)
from ...model.signature import Column
from ...text import plural
from ..verdict import INSUFFICIENT, Thresholds, grade, worst

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LEAST_CLASS", "LEAST_DAYS", "Outcomes", "measures_of", "performance"]

# The smallest number of rows of the rarer class for a verdict on the AUC, and of days for an error of any measure.
LEAST_CLASS, LEAST_DAYS = 20, 5

_RANKING = Thresholds(warning=0.03, alert=0.08)
_CALIBRATION = Thresholds(warning=0.03, alert=0.08)
_ERROR = Thresholds(warning=0.10, alert=0.25)


class Outcomes(NamedTuple):
    """The rows of a window whose outcome is known.

    Attributes
    ----------
    actual, predicted
        Outcomes (1 for yes, 0 for no, or a value) and predictions, shape (n,).
    day
        The number of the event's day in the project's time zone, shape (n,).
    rows
        Of these rows, their numbers in the window, shape (n,).
    """

    actual: Column
    predicted: Column
    day: Column
    rows: Column

    @classmethod
    def of(cls, frame: pd.DataFrame, zone: tzinfo) -> Outcomes:
        """Return the rows of a frame with the columns `event_time`, `actual` and `predicted`."""
        known = np.flatnonzero(frame["actual"].notna())
        days = frame["event_time"].iloc[known].dt.tz_convert(zone).dt.tz_localize(None).to_numpy()
        numbers = days.astype("datetime64[D]").astype(np.int64)
        actual, predicted = (frame[name].to_numpy(dtype=np.float64)[known] for name in ("actual", "predicted"))
        return cls(actual, predicted, numbers - (numbers.min() if len(numbers) else 0), known)

    def taken(self, rows: Column) -> Outcomes:
        """Return some of these rows."""
        return Outcomes(*(values[rows] for values in self))

    @property
    def miss(self) -> Estimate:
        """The mean prediction minus the mean outcome."""
        return block_mean(self.predicted - self.actual, self.day)


def performance(
    frame: pd.DataFrame,
    *,
    kind: str,
    reference: Mapping[str, Any] | None,
    alpha: float,
    min_rows: int,
    zone: tzinfo = UTC,
) -> dict[str, Any]:
    """Measure a window's predictions and compare them with the measures of held-out data.

    Parameters
    ----------
    frame
        One row per prediction: `event_time` with a zone, `predicted`, and `actual` (1 for yes, 0 for no, or a value), NaN
        while unknown.
    kind
        What is predicted: "probability" (of yes) or "value".
    reference
        The package's measures on held-out data, named as in `nbship.metrics`; None if it has none.
    alpha
        The probability with which a single check may raise a false alarm.
    min_rows
        Labelled rows below which the verdict is `insufficient`.
    zone
        The project's time zone, which divides days.

    Returns
    -------
    dict
        `rows`, `labelled`, `share_labelled`, `days`, `effective_rows` (how many independent rows tell as much of the
        mean), `measures`, `intervals` (measure -> `low` and `high`, 95 %), `reference`, `calibration` (ten bins:
        `probability`, `rate`, `n`), `checks`, `verdict` and `reason`.
    """
    known = Outcomes.of(frame, zone)
    rows, labelled, days = len(frame), len(known.actual), len(np.unique(known.day))
    estimates = _estimates(known, kind)
    measures = measures_of(known, kind) | {
        name: estimates[name].value for name in ("calibration_intercept", "calibration_slope") if name in estimates
    }
    stated = {name: reference.get(name) for name in measures} if reference else None
    enough = labelled >= min_rows and days >= LEAST_DAYS
    checks = _checks(estimates, measures, reference or {}, alpha) if enough else []
    return {
        "rows": rows,
        "labelled": labelled,
        "share_labelled": labelled / rows if rows else None,
        "days": days,
        "effective_rows": known.miss.effective_rows,
        "measures": measures,
        "intervals": {
            name: {"low": limits[0], "high": limits[1]}
            for name, each in estimates.items()
            if (limits := each.interval()) is not None
        },
        "reference": stated,
        "calibration": calibration_curve(known.actual, known.predicted) if kind != "value" else [],
        "checks": checks,
        "verdict": worst(check["verdict"] for check in checks),
        "reason": _reason(rows, labelled, days, min_rows),
    }


def measures_of(known: Outcomes, kind: str) -> Measures:
    """Return the measures of labelled rows."""
    return (regression if kind == "value" else classification)(known.actual, known.predicted)


def _estimates(known: Outcomes, kind: str) -> dict[str, Estimate]:
    """Return the measures that have an error by day."""
    actual, predicted, day = known.actual, known.predicted, known.day
    if kind == "value":
        return {"mae": block_mean(np.abs(predicted - actual), day), "bias": known.miss}
    intercept, slope = calibration_line(actual, predicted, day)
    return {
        "auc": block_auc(actual, predicted, day),
        "brier": block_mean(np.square(predicted - actual), day),
        "base_rate": block_mean(actual, day),
        "mean_probability": block_mean(predicted, day),
        "calibration_intercept": intercept,
        "calibration_slope": slope,
        "miss": known.miss,
    }


def _checks(
    estimates: Mapping[str, Estimate], measures: Measures, reference: Mapping[str, Any], alpha: float
) -> list[dict[str, Any]]:
    if "mae" in estimates:
        return [_error_check(estimates["mae"], reference, alpha)]
    return [
        _ranking_check(estimates["auc"], measures, reference, alpha),
        _calibration_check(estimates["miss"], measures, alpha),
    ]


def _ranking_check(area: Estimate, measures: Measures, reference: Mapping[str, Any], alpha: float) -> dict[str, Any]:
    now, then = area.value, reference.get("auc")
    record = {"check": "auc", "value": now, "reference": then, "change": None, "p_value": None}
    rarer = min(measures["positives"] or 0, (measures["n"] or 0) - (measures["positives"] or 0))
    if now is None or then is None or rarer < LEAST_CLASS:
        return record | {"verdict": INSUFFICIENT}
    if reference.get("auc_error") is not None:
        p_value = area.p_value_against(then, error=reference["auc_error"], blocks=int(reference.get("blocks") or 0))
    else:
        # The package states the measure of the held-out rows without its error: their days are taken to differ as these.
        inflation = area.rows / (area.effective_rows or area.rows)
        p_value = area.p_value(then, error=math.sqrt(_auc_variance(then, reference) * inflation))
    return record | {
        "change": now - then,
        "p_value": p_value,
        "verdict": grade(then - now, _RANKING, p_value=p_value, alpha=alpha),
    }


def _calibration_check(miss: Estimate, measures: Measures, alpha: float) -> dict[str, Any]:
    p_value, change = miss.p_value(0.0), miss.value or 0.0
    return {
        "check": "mean probability against rate",
        "value": measures["mean_probability"],
        "reference": measures["base_rate"],
        "change": change,
        "p_value": p_value,
        "verdict": grade(abs(change), _CALIBRATION, p_value=p_value, alpha=alpha),
    }


def _error_check(error: Estimate, reference: Mapping[str, Any], alpha: float) -> dict[str, Any]:
    now, then = error.value, reference.get("mae")
    record = {"check": "mae", "value": now, "reference": then, "change": None, "p_value": None}
    if now is None or not then:
        return record | {"verdict": INSUFFICIENT}
    if reference.get("mae_error") is not None:
        p_value = error.p_value_against(then, error=reference["mae_error"], blocks=int(reference.get("blocks") or 0))
    else:
        # As many held-out rows as labelled ones have the same error.
        held_out = reference.get("n") or math.inf
        p_value = error.p_value(then, error=(error.error or 0.0) * math.sqrt(error.rows / held_out))
    verdict = grade((now - then) / then, _ERROR, p_value=p_value, alpha=alpha)
    return record | {"change": now - then, "p_value": p_value, "verdict": verdict}


def _auc_variance(area: float, measures: Mapping[str, Any]) -> float:
    """Variance of an area under the ROC curve (Hanley & McNeil 1982); 0 if the numbers of rows are unknown."""
    yes = measures.get("positives") or 0
    no = (measures.get("n") or 0) - yes
    if yes < 1 or no < 1:
        return 0.0
    both_yes, both_no = area / (2 - area), 2 * area**2 / (1 + area)
    return (area * (1 - area) + (yes - 1) * (both_yes - area**2) + (no - 1) * (both_no - area**2)) / (yes * no)


def _reason(rows: int, labelled: int, days: int, min_rows: int) -> str:
    if not rows:
        return "No predictions for events in this window."
    if labelled == 0:
        return f"None of {rows} {plural(rows, 'row')} has a label yet."
    share = f"{labelled} of {rows} {plural(rows, 'row')} {plural(labelled, 'has', 'have')} a label"
    if labelled < min_rows:
        return f"{share}; a verdict needs {min_rows}."
    if days < LEAST_DAYS:
        return f"{share}, of {days} {plural(days, 'day')}; a verdict needs {LEAST_DAYS} days, as rows of one day are alike."
    return f"{share}."
