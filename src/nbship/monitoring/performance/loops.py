"""Feedback loops: do predictions decide which outcomes become known, or what happens?

If only the claims with a high score are investigated, labels exist mostly for high scores, and measures of performance are
those of the rows that the model chose. If something is done about high scores, the outcome that was predicted does not
happen. Both leave traces in the log, and both are looked for in the fifths of the predictions, from the lowest to the highest:

- the share of rows with a label, compared with that of the same day;
- the outcomes less the predictions, compared with those of the same day.

A label that takes its usual time to become known says nothing: only rows are compared that are old enough for nearly all
labels. A difference that earlier windows had as well is how labels are collected; a change is a warning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...metrics import Estimate, block_mean, holm
from ...text import counted
from ..verdict import INSUFFICIENT, NOTICE, OK, WARNING, worst
from .cohorts import age_in_days, days_until_known
from .contrasts import excess_of_day
from .measures import LEAST_DAYS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["feedback"]

_FIFTHS = 5
# The differences of shares of labels, and of rates of outcomes, that matter; and the largest part of the latter by which the
# three lower fifths differ among themselves: if a model is weaker, all fifths change.
_SHARE, _RATE, _ELSEWHERE = 0.05, 0.10, 1 / 4
# Earlier windows for a comparison, and those that are compared.
_LEAST_EARLIER, _MOST_EARLIER = 3, 12
# Without delays of earlier windows, nearly all rows must have a label.
_NEARLY_ALL = 0.98
_LABELLED, _OUTCOME = "labels by prediction", "outcomes by prediction"


class _Fifth(NamedTuple):
    """The rows of a fifth of the predictions: of all, and beyond their days, the share with a label and the miss."""

    rows: int
    labelled: int
    share: Estimate
    miss: Estimate
    mean_predicted: float
    mean_actual: float | None

    def record(self) -> dict[str, Any]:
        return {
            "rows": self.rows, "labelled": self.labelled,
            "mean_predicted": self.mean_predicted, "mean_actual": self.mean_actual,
            "share_beyond_day": self.share.value, "share_error": self.share.error,
            "miss_beyond_day": self.miss.value, "miss_error": self.miss.error,
        }  # fmt: skip


def feedback(
    frame: pd.DataFrame,
    *,
    kind: str,
    as_of: datetime,
    earlier: Sequence[Mapping[str, Any]],
    alpha: float,
    min_rows: int,
    zone: tzinfo = UTC,
) -> dict[str, Any]:
    """Look for traces of predictions in what becomes known, and in what happens.

    Parameters
    ----------
    frame
        One row per prediction: `event_time` with a zone, `predicted`, and `actual` (NaN while unknown).
    kind
        What is predicted: "probability" or "value".
    as_of
        The time to which the log reaches.
    earlier
        The reports of earlier windows, oldest first.
    alpha
        The probability of a false alarm of each check.
    min_rows
        Rows that are old enough, below which the verdict is `insufficient`.
    zone
        The project's time zone, which divides days.

    Returns
    -------
    dict
        `rows` and `days` that are old enough for nearly all labels, `effective_rows`, `fifths` of their predictions, `checks`
        (`check`, `value`, `reference`, `p_value`, `verdict`, `reason`), `verdict` and `reason`.
    """
    known = frame["actual"].notna().to_numpy()
    least_age = days_until_known([each.get("labels", {}) for each in earlier])
    if least_age is None and known.size and known.mean() >= _NEARLY_ALL:
        least_age = -math.inf
    if least_age is None:
        return _nothing("How long labels take is not known yet: there is no earlier report whose labels are complete.")
    rows = np.flatnonzero(age_in_days(frame, as_of) >= least_age)
    local = frame["event_time"].iloc[rows].dt.tz_convert(zone).dt.tz_localize(None).to_numpy()
    _, day = np.unique(local.astype("datetime64[D]"), return_inverse=True)
    days = int(day.max(initial=-1)) + 1
    if len(rows) < min_rows or days < LEAST_DAYS:
        return _nothing(f"{counted(len(rows), 'row')} of {counted(days, 'day')} are old enough for nearly all labels; a verdict needs {min_rows} rows and {LEAST_DAYS} days.")  # fmt: skip
    predicted, actual = (frame[name].to_numpy(dtype=np.float64)[rows] for name in ("predicted", "actual"))
    fifths = _fifths(predicted, actual, day)
    if len(fifths) < _FIFTHS:
        return _nothing("The predictions have too few different values to be compared.")
    before = _before(earlier)
    checks = [_labelled(fifths, before, alpha)]
    if kind != "value":
        checks.append(_outcomes(fifths, before, alpha))
    # A check without enough earlier windows does not hide what the other one found.
    verdicts = [check["verdict"] for check in checks]
    verdict = worst([each for each in verdicts if each in (NOTICE, WARNING)] or verdicts)
    return {
        "rows": len(rows),
        "days": days,
        "effective_rows": block_mean(known[rows].astype(np.float64), day).effective_rows,
        "fifths": [each.record() for each in fifths],
        "checks": checks,
        "verdict": verdict,
        "reason": " ".join(check["reason"] for check in checks if check["verdict"] == verdict),
    }


def _nothing(reason: str) -> dict[str, Any]:
    return {"rows": 0, "days": 0, "effective_rows": None, "fifths": [], "checks": [], "verdict": INSUFFICIENT, "reason": reason}  # fmt: skip


def _fifths(predicted: NDArray[np.float64], actual: NDArray[np.float64], day: NDArray[np.intp]) -> list[_Fifth]:
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, _FIFTHS + 1)[1:-1]))
    place, known = np.searchsorted(edges, predicted, side="left"), ~np.isnan(actual)
    labelled = excess_of_day(known.astype(np.float64), day)
    miss = np.zeros(len(actual))
    if known.any():
        miss[known] = excess_of_day(actual[known] - predicted[known], day[known])
    found = []
    # A fifth has no rows of its own where its predictions equal those of the next lower one.
    for rows in (place == number for number in np.unique(place)):
        outcomes = rows & known
        found.append(
            _Fifth(
                int(rows.sum()), int(outcomes.sum()), block_mean(labelled[rows], day[rows]), block_mean(miss[outcomes], day[outcomes]),
                float(predicted[rows].mean()), float(actual[outcomes].mean()) if outcomes.any() else None,
            )
        )  # fmt: skip
    return found


def _before(earlier: Sequence[Mapping[str, Any]]) -> list[Sequence[Mapping[str, Any]]]:
    found = [each.get("feedback", {}).get("fifths", ()) for each in earlier]
    return [each for each in found if len(each) == _FIFTHS][-_MOST_EARLIER:]


def _labelled(fifths: Sequence[_Fifth], before: Sequence[Any], alpha: float) -> dict[str, Any]:
    """Check whether rows have a label whatever was predicted."""
    p_values = holm([each.share.p_value(0.0) for each in fifths])
    is_found = any(p < alpha and abs(each.share.value or 0.0) >= _SHARE for p, each in zip(p_values, fifths, strict=True))  # fmt: skip
    shares = [each.labelled / max(1, each.rows) for each in fifths]
    words = f"{shares[-1]:.0%} of the rows with the highest fifth of predictions have a label, and {shares[0]:.0%} of those with the lowest"
    record = {"check": _LABELLED, "value": shares[-1] - shares[0], "reference": None, "p_value": min(p_values)}
    if not is_found:
        return record | {
            "verdict": OK,
            "reason": f"{words}: whether a label is known does not depend on the prediction.",
        }
    if len(before) < _LEAST_EARLIER:
        reason = f"{words}. {counted(len(before), 'earlier window')} to compare with; a verdict needs {_LEAST_EARLIER}."
        return record | {"verdict": INSUFFICIENT, "reason": reason}
    earlier = [_share(one[-1]) - _share(one[0]) for one in before]
    record["reference"] = float(np.mean(earlier))
    compared = [_change(each.share, [one[k]["share_beyond_day"] for one in before]) for k, each in enumerate(fifths)]
    changed = any(p < alpha and abs(size) >= _SHARE for p, size in zip(holm([p for p, _ in compared]), (s for _, s in compared), strict=True))  # fmt: skip
    usual = f"in earlier windows {np.mean([_share(one[-1]) for one in before]):.0%} and {np.mean([_share(one[0]) for one in before]):.0%}"  # fmt: skip
    if not changed:
        return record | {"verdict": NOTICE, "reason": f"{words}, as in earlier windows. Measures of performance are those of rows that the predictions chose."}  # fmt: skip
    return record | {"verdict": WARNING, "reason": f"{words}; {usual}. If predictions decide which labels are known, measures of performance mislead."}  # fmt: skip


def _share(fifth: Mapping[str, Any]) -> float:
    return float(fifth["labelled"] / max(1, fifth["rows"]))


def _outcomes(fifths: Sequence[_Fifth], before: Sequence[Any], alpha: float) -> dict[str, Any]:
    """Check whether outcomes follow the highest predictions as they did, while the others do."""
    top = fifths[-1]
    record = {"check": _OUTCOME, "value": top.mean_actual, "reference": None, "p_value": None}
    known = [one for one in before if all(fifth["miss_beyond_day"] is not None for fifth in one)]
    if top.mean_actual is None:
        return record | {"verdict": INSUFFICIENT, "reason": "None of the highest predictions has a label."}
    if len(known) < _LEAST_EARLIER:
        reason = (
            f"{counted(len(known), 'earlier window')} with labels to compare with; a verdict needs {_LEAST_EARLIER}."
        )
        return record | {"verdict": INSUFFICIENT, "reason": reason}
    compared = [_change(each.miss, [one[k]["miss_beyond_day"] for one in known]) for k, each in enumerate(fifths)]
    lower = [change for _, change in compared[:3]]
    p_value, size = compared[-1][0], compared[-1][1] - float(np.mean(lower))
    rate = float(np.mean([one[-1]["mean_actual"] for one in known]))
    record |= {"reference": rate, "p_value": p_value}
    words = (
        f"Of the highest fifth of predictions ({top.mean_predicted:.0%} on average), {top.mean_actual:.0%} came true"
    )
    if p_value >= alpha or abs(size) < _RATE or max(lower) - min(lower) > _ELSEWHERE * abs(size):
        return record | {"verdict": OK, "reason": f"{words}, as in earlier windows or with a change in all fifths."}
    return record | {"verdict": WARNING, "reason": f"{words}, and {rate:.0%} in earlier windows, while the others came true as before. Is something done about high predictions?"}  # fmt: skip


def _change(now: Estimate, before: Sequence[float]) -> tuple[float, float]:
    """Return the p-value and the size of the difference from earlier windows, which differ among themselves."""
    if now.value is None:
        return 1.0, 0.0
    mean, spread = float(np.mean(before)), float(np.std(before, ddof=1))
    return now.p_value(mean, error=spread * math.sqrt(1 + 1 / len(before))), now.value - mean
