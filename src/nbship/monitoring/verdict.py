"""Verdicts of checks, by severity: `ok`, `notice`, `insufficient`, `warning`, `alert`; the last two are findings.

A check on too little data is `insufficient`, never `ok`: silence is not health. The kinds say what a finding about data is,
by consequence: broken data are an alert, a value beyond its history a warning, and what training never saw a notice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "ALERT",
    "BEYOND",
    "BROKEN",
    "FALSE_ALARMS",
    "INSUFFICIENT",
    "NOTICE",
    "OK",
    "UNSEEN",
    "USUAL",
    "WARNING",
    "Thresholds",
    "grade",
    "worst",
]

OK, NOTICE, INSUFFICIENT, WARNING, ALERT = "ok", "notice", "insufficient", "warning", "alert"
_ORDER = (OK, NOTICE, INSUFFICIENT, WARNING, ALERT)

BROKEN, BEYOND, UNSEEN, USUAL = "broken data", "beyond its history", "not seen in training", "as between past periods"

# The share of reports on unchanged data that may raise a false alarm, split between the checks of a report.
FALSE_ALARMS = 0.01


@dataclass(frozen=True)
class Thresholds:
    """The smallest changes that are a warning and an alert, in the unit of the measure."""

    warning: float
    alert: float


def grade(size: float, thresholds: Thresholds, *, p_value: float, alpha: float) -> str:
    """Grade a change: a finding only if chance does not explain it and it is large enough to matter.

    Examples
    --------
    >>> limits = Thresholds(warning=0.1, alert=0.2)
    >>> grade(0.15, limits, p_value=1e-9, alpha=0.001), grade(0.15, limits, p_value=0.2, alpha=0.001)
    ('warning', 'ok')
    """
    if p_value >= alpha or size < thresholds.warning:
        return OK
    return ALERT if size >= thresholds.alert else WARNING


def worst(verdicts: Iterable[str]) -> str:
    """Return the most severe verdict; without any, `insufficient`.

    Examples
    --------
    >>> worst(["ok", "insufficient", "warning"]), worst(["ok", "insufficient"]), worst([])
    ('warning', 'insufficient', 'insufficient')
    """
    return max(verdicts, key=_ORDER.index, default=INSUFFICIENT)
