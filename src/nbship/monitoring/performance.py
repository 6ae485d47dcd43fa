"""Performance of a window's predictions, on the rows whose outcome is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..metrics import Measures, by_slice, calibration_curve, classification, regression
from ..text import plural
from .verdict import INSUFFICIENT, OK, Thresholds, grade, worst

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LEAST_CLASS", "performance", "slices"]

# The smallest number of rows of the rarer class for a verdict on the AUC.
LEAST_CLASS = 20

_RANKING = Thresholds(warning=0.03, alert=0.08)
_CALIBRATION = Thresholds(warning=0.03, alert=0.08)
_SLICE = Thresholds(warning=0.05, alert=math.inf)
_ERROR = Thresholds(warning=0.10, alert=0.25)


def performance(
    frame: pd.DataFrame, *, kind: str, reference: Mapping[str, Any] | None, alpha: float, min_rows: int
) -> dict[str, Any]:
    """Measure a window's predictions and compare them with the measures of held-out data.

    Parameters
    ----------
    frame
        One row per prediction: `predicted`, and `actual` (1 for yes, 0 for no, or a value), NaN while unknown.
    kind
        What is predicted: "probability" (of yes) or "value".
    reference
        The package's measures on held-out data, named as in `nbship.metrics`; None if it has none.
    alpha
        The probability with which a single check may raise a false alarm.
    min_rows
        Labelled rows below which the verdict is `insufficient`.

    Returns
    -------
    dict
        `rows`, `labelled`, `share_labelled`, `measures`, `reference`, `calibration` (ten bins: `probability`,
        `rate`, `n`), `checks`, `verdict` and `reason`.
    """
    measures = _measure(kind)(frame["actual"].to_numpy(), frame["predicted"].to_numpy())
    rows, labelled = measures.pop("rows"), measures["n"]
    stated = {name: reference.get(name) for name in measures} if reference else None
    known = frame.loc[frame["actual"].notna(), ["actual", "predicted"]]
    checks = [] if labelled < min_rows else _checks(known, measures, stated or {}, alpha)
    return {
        "rows": rows,
        "labelled": labelled,
        "share_labelled": labelled / rows if rows else None,
        "measures": measures,
        "reference": stated,
        "calibration": calibration_curve(known["actual"], known["predicted"]) if kind != "value" else [],
        "checks": checks,
        "verdict": worst(check["verdict"] for check in checks),
        "reason": _reason(rows, labelled, min_rows),
    }


def slices(frame: pd.DataFrame, by: Sequence[str], *, kind: str, alpha: float, min_rows: int) -> list[dict[str, Any]]:
    """Measure each slice, and warn of slices that are less well calibrated than the window as a whole.

    `alpha` is shared by all slices. Slices without enough labelled rows are `insufficient`.

    Returns
    -------
    list
        For each slice `slice`, `value`, `rows`, the measures of its labelled rows (`n` of them) and `verdict`.
    """
    measure = _measure(kind)
    whole = _miss(measure(frame["actual"].to_numpy(), frame["predicted"].to_numpy())) or 0.0
    found = by_slice(frame, by, measure=measure, predicted="predicted")
    each = alpha / max(1, sum(row["n"] >= min_rows for row in found))
    return [row | {"verdict": INSUFFICIENT if row["n"] < min_rows else _judge_slice(row, whole, each)} for row in found]


def _measure(kind: str) -> Callable[[Any, Any], dict[str, Any]]:
    """Return a function that measures the labelled rows and counts all rows."""
    measure = regression if kind == "value" else classification

    def measure_known(actual: Any, predicted: Any) -> dict[str, Any]:
        truth = np.asarray(actual, dtype=np.float64)
        known = ~np.isnan(truth)
        return {"rows": truth.size, **measure(truth[known], np.asarray(predicted, dtype=np.float64)[known])}

    return measure_known


def _miss(measures: Mapping[str, Any]) -> float | None:
    """Mean prediction minus mean outcome."""
    if "bias" in measures:
        return None if measures["bias"] is None else float(measures["bias"])
    if measures.get("base_rate") is None:
        return None
    return float(measures["mean_probability"] - measures["base_rate"])


def _checks(
    known: pd.DataFrame, measures: Measures, reference: Mapping[str, Any], alpha: float
) -> list[dict[str, Any]]:
    if "bias" in measures:
        return [_error_check(known, measures, reference, alpha)]
    return [_ranking_check(measures, reference, alpha), _calibration_check(measures, alpha)]


def _ranking_check(measures: Measures, reference: Mapping[str, Any], alpha: float) -> dict[str, Any]:
    now, then = measures["auc"], reference.get("auc")
    record = {"check": "auc", "value": now, "reference": then, "change": None, "p_value": None}
    rarer = min(measures["positives"] or 0, (measures["n"] or 0) - (measures["positives"] or 0))
    if now is None or then is None or rarer < LEAST_CLASS:
        return record | {"verdict": INSUFFICIENT}
    variance = _auc_variance(now, measures) + _auc_variance(then, reference)
    drop = then - now
    p_value = _two_sided(drop, math.sqrt(variance))
    return record | {
        "change": -drop,
        "p_value": p_value,
        "verdict": grade(drop, _RANKING, p_value=p_value, alpha=alpha),
    }


def _calibration_check(measures: Measures, alpha: float) -> dict[str, Any]:
    miss = _miss(measures) or 0.0
    p_value = _two_sided(miss, _miss_error(measures))
    return {
        "check": "mean probability against rate",
        "value": measures["mean_probability"],
        "reference": measures["base_rate"],
        "change": miss,
        "p_value": p_value,
        "verdict": grade(abs(miss), _CALIBRATION, p_value=p_value, alpha=alpha),
    }


def _error_check(known: pd.DataFrame, measures: Measures, reference: Mapping[str, Any], alpha: float) -> dict[str, Any]:
    now, then = measures["mae"], reference.get("mae")
    record = {"check": "mae", "value": now, "reference": then, "change": None, "p_value": None}
    if now is None or not then:
        return record | {"verdict": INSUFFICIENT}
    spread = float((known["predicted"] - known["actual"]).abs().std()) / math.sqrt(len(known))
    p_value = _two_sided(now - then, spread)
    verdict = grade((now - then) / then, _ERROR, p_value=p_value, alpha=alpha)
    return record | {"change": now - then, "p_value": p_value, "verdict": verdict}


def _judge_slice(measures: Mapping[str, Any], whole: float, alpha: float) -> str:
    miss = _miss(measures)
    if "bias" in measures or miss is None:
        return OK if miss is not None else INSUFFICIENT
    # Only an error beyond the window's own counts: a well calibrated slice of a badly calibrated window is fine.
    excess = max(0.0, abs(miss) - abs(whole))
    return grade(excess, _SLICE, p_value=_two_sided(excess, _miss_error(measures)), alpha=alpha)


def _miss_error(measures: Mapping[str, Any]) -> float:
    """Standard error of the rate: the larger of those at the mean probability and at the observed rate."""
    shares = (measures["mean_probability"], measures["base_rate"])
    return math.sqrt(max(share * (1 - share) for share in shares) / measures["n"])


def _auc_variance(area: float, measures: Mapping[str, Any]) -> float:
    """Variance of an area under the ROC curve (Hanley & McNeil 1982); 0 if the numbers of rows are unknown."""
    yes = measures.get("positives") or 0
    no = (measures.get("n") or 0) - yes
    if yes < 1 or no < 1:
        return 0.0
    both_yes, both_no = area / (2 - area), 2 * area**2 / (1 + area)
    return (area * (1 - area) + (yes - 1) * (both_yes - area**2) + (no - 1) * (both_no - area**2)) / (yes * no)


def _two_sided(difference: float, error: float) -> float:
    if error <= 0:
        return 1.0 if difference == 0 else 0.0
    return math.erfc(abs(difference) / error / math.sqrt(2))


def _reason(rows: int, labelled: int, min_rows: int) -> str:
    if labelled == 0:
        return f"None of {rows} {plural(rows, 'row')} has a label yet."
    share = f"{labelled} of {rows} {plural(rows, 'row')} {plural(labelled, 'has', 'have')} a label"
    if labelled < min_rows:
        return f"{share}; a verdict needs {min_rows}."
    return f"{share}."
