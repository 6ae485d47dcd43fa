"""Labels come later than predictions: how many are known by now, and how many should be.

The labels of earlier windows say how long the outcome of an event takes to become known. For example, 90 % were known
within a day and 99 % within a week; so of a window whose events are two to nine days old, about 95 % of the labels are
expected. Fewer are a finding: labels have stopped, or come late. Measures of performance are those of the rows whose label
is known, which need not be like the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...metrics import block_mean
from ...text import counted
from ..verdict import ALERT, INSUFFICIENT, OK, WARNING
from .measures import LEAST_DAYS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["age_in_days", "days_until_known", "labels"]

_PARTS = np.linspace(0, 1, 21)
_DAY = np.timedelta64(1, "D") / np.timedelta64(1, "us")
# The number of earlier windows that expectations come from.
_MOST_EARLIER = 8
# The smallest part of the expected labels whose absence matters, and the part that is an alert.
_SHORT, _VERY_SHORT = 0.1, 0.5
# Labels are late if half of them take this many times as long as nearly all did, and a day longer.
_LATE, _NEARLY_ALL = 2.0, 0.95
# The share of labelled rows from which a window's delays are known, however young it is.
_WHOLE = 0.98
# Labels have stopped if of the last events none has a label, and this number of labels is expected.
_LEAST_EXPECTED = 20


class _Expected(NamedTuple):
    """What earlier windows let expect: the share of rows that get a label, and quantiles of the days that it takes."""

    share: float
    delays: NDArray[np.float64]

    def by_age(self, age: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of the rows of an age, in days, that have a label."""
        return self.share * np.interp(age, self.delays, _PARTS, left=0.0, right=1.0)


def labels(
    frame: pd.DataFrame,
    *,
    as_of: datetime,
    earlier: Sequence[Mapping[str, Any]],
    alpha: float,
    zone: tzinfo = UTC,
) -> dict[str, Any]:
    """Compare the labels of a window with those that are expected by now.

    Parameters
    ----------
    frame
        One row per prediction: `event_time` with a zone, `actual` (NaN while unknown), and `actual_time`, when it became
        known (NaT if that was not reported).
    as_of
        The time to which the log reaches: that of its latest event.
    earlier
        This section of the reports of earlier windows, oldest first.
    alpha
        The probability of a false alarm.
    zone
        The project's time zone, which divides days.

    Returns
    -------
    dict
        `cohorts` (day -> `rows`, `labelled`), `share` of the rows that have a label and `expected_share`, `delays`: 21
        quantiles of the days from an event to its label, `complete`: whether the
        window is older than nearly all delays, or nearly all of its rows have a label, `verdict` and `reason`.
    """
    event = frame["event_time"].dt.as_unit("us")
    known = frame["actual"].notna().to_numpy()
    delay = (frame["actual_time"].dt.as_unit("us") - event).to_numpy().astype("timedelta64[us]")[known]
    delays = np.maximum(delay[~np.isnat(delay)].astype(np.int64) / _DAY, 0.0)
    age = age_in_days(frame, as_of)
    day = event.dt.tz_convert(zone).dt.tz_localize(None).to_numpy().astype("datetime64[D]")
    quantiles = np.quantile(delays, _PARTS).tolist() if len(delays) else None
    section = {
        "cohorts": _cohorts(day, known),
        "share": float(known.mean()) if len(known) else None,
        "expected_share": None,
        "delays": quantiles,
        "complete": quantiles is not None and bool(age.min() >= quantiles[-2] or known.mean() >= _WHOLE),
    }
    expected = _expected(earlier)
    if expected is None:
        reason = "There is no earlier report whose labels are complete, to compare with."
        return section | {"verdict": INSUFFICIENT, "reason": reason}
    should = expected.by_age(age)
    section["expected_share"] = float(should.mean()) if len(should) else None
    verdict, reason = _judged(known, should, day, alpha)
    if verdict == OK and (late := _late(quantiles, expected)) is not None:
        verdict, reason = WARNING, late
    return section | {"verdict": verdict, "reason": reason}


def age_in_days(frame: pd.DataFrame, as_of: datetime) -> NDArray[np.float64]:
    """Return the days from each event to a time."""
    then = frame["event_time"].dt.as_unit("us").dt.tz_convert(None).to_numpy()
    now = np.datetime64(as_of.astimezone(UTC).replace(tzinfo=None), "us")
    return np.asarray((now - then).astype(np.int64) / _DAY)


def days_until_known(earlier: Sequence[Mapping[str, Any]]) -> float | None:
    """Return after how many days nearly all labels are known, from the labels of earlier windows; None without these."""
    expected = _expected(earlier)
    return None if expected is None else float(np.interp(_NEARLY_ALL, _PARTS, expected.delays))


def _cohorts(day: NDArray[np.datetime64], known: NDArray[np.bool_]) -> list[dict[str, Any]]:
    days, index = np.unique(day, return_inverse=True)
    rows, labelled = np.bincount(index, minlength=len(days)), np.bincount(index[known], minlength=len(days))
    return [
        {"day": str(each), "rows": int(number), "labelled": int(some)}
        for each, number, some in zip(days, rows, labelled, strict=True)
    ]


def _expected(earlier: Sequence[Mapping[str, Any]]) -> _Expected | None:
    complete = [each for each in earlier if each.get("complete") and each.get("delays") and each.get("share")]
    if not complete:
        return None
    recent = complete[-_MOST_EARLIER:]
    delays = np.median([each["delays"] for each in recent], axis=0)
    return _Expected(float(np.median([each["share"] for each in recent])), np.maximum.accumulate(delays))


def _judged(
    known: NDArray[np.bool_], should: NDArray[np.float64], day: NDArray[np.datetime64], alpha: float
) -> tuple[str, str]:
    whole = float(should.sum())
    if not len(known):
        return INSUFFICIENT, "There are no rows."
    share = f"{known.mean():.0%} of the rows have a label, and {should.mean():.0%} are expected by now"
    days = np.unique(day)
    if len(days) < LEAST_DAYS or whole < 1:
        reason = "too few labels are expected by now" if whole < 1 else f"a verdict needs {LEAST_DAYS} days"
        return INSUFFICIENT, f"{share}; {reason}."
    number = np.searchsorted(days, day)
    short = 1 - known.sum() / whole
    should_by_day = np.bincount(number, weights=should).astype(np.float64)
    stopped = _stopped(np.bincount(number[known], minlength=len(days)), should_by_day, days)
    # Days on which labels have stopped differ from the others, which the error by day would take for chance.
    if short < _SHORT or (not stopped and block_mean(known - should, number).p_value(0.0) >= alpha):
        return OK, f"{share}."
    return ALERT if short >= _VERY_SHORT else WARNING, f"{share}{stopped}."


def _stopped(labelled: NDArray[np.intp], should: NDArray[np.float64], days: NDArray[np.datetime64]) -> str:
    """Return since when no event has a label, as the end of a sentence; nothing if later ones have."""
    last = int(np.flatnonzero(labelled).max(initial=-1))
    missing = should[last + 1 :]
    if missing.sum() < _LEAST_EXPECTED:
        return ""
    if last < 0:
        return ": labels have stopped"
    return f": no event after {days[last]} has one ({counted(len(missing), 'day')})"


def _late(quantiles: Sequence[float] | None, expected: _Expected) -> str | None:
    if quantiles is None:
        return None
    middle = quantiles[len(quantiles) // 2]
    usual, nearly_all = (float(np.interp(part, _PARTS, expected.delays)) for part in (0.5, _NEARLY_ALL))
    if middle <= max(_LATE * nearly_all, nearly_all + 1):
        return None
    return (
        f"Half of the labels came {middle:.1f} days or more after the event, and {usual:.1f} days in earlier windows."
    )
