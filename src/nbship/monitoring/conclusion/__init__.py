"""The conclusion of a report, in words: what changed, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..verdict import ALERT, INSUFFICIENT, NOTICE, OK, WARNING, worst
from .headline import headline_of
from .reasons import reasons_of

__all__ = ["conclude"]


def conclude(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Judge a window as a whole.

    Parameters
    ----------
    sections
        The sections of a report: `volume`, `drift`, `given`, `prediction_drift`, `data`, `unseen`, `performance`, `labels`,
        `slices`, `discovered`, `segments`, `feedback`, `history`, `service`.

    Returns
    -------
    dict
        `verdict`; `headline`: a sentence for everyone, then what changed; `advice`: what to do; `reasons`: for each finding,
        notice and insufficient check, in this order, its `verdict`, `kind`, `section`, `subject` and `reason`.
    """
    found = sorted(reasons_of(sections), key=lambda reason: -_severity(reason["verdict"]))
    verdict = worst(reason["verdict"] for reason in found)
    headline, advice = headline_of(sections, verdict)
    reasons = [reason for reason in found if reason["verdict"] != OK]
    return {"verdict": verdict, "headline": headline, "advice": advice, "reasons": reasons}


def _severity(verdict: str) -> int:
    return {OK: 0, INSUFFICIENT: 1, NOTICE: 2, WARNING: 3, ALERT: 3}[verdict]
