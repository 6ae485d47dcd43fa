"""The parts of a report that notebooks show: data, performance, service; each with its findings and one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import MonitoringError
from ..text import listed
from .verdict import ALERT, INSUFFICIENT, NOTICE, OK, WARNING, worst

__all__ = ["findings_of", "sentence_of", "verdict_of"]

# The sections of a report behind each part. A section of none of them belongs to all.
_SECTIONS = {
    "data": ("data", "drift", "given", "prediction_drift", "unseen", "volume"),
    "performance": ("performance", "labels", "slices", "discovered", "segments", "feedback", "history"),
    "service": ("service",),
}
_SENTENCES = {
    "data": {
        OK: "The data are as between past periods.",
        NOTICE: "Nothing is broken, but part of the data is new to the model.",
        WARNING: "The data changed more than they usually do.",
        ALERT: "The data look broken. Check their source before you rely on these predictions.",
        INSUFFICIENT: "There are too few rows, or too little history, to judge the data.",
    },
    "performance": {
        OK: "The predictions are as good as when the model was accepted.",
        NOTICE: "The predictions are as good as when the model was accepted, with a remark.",
        WARNING: "Some predictions are worse than when the model was accepted.",
        ALERT: "The predictions are worse than when the model was accepted.",
        INSUFFICIENT: "How good the predictions are is not known yet.",
    },
    "service": {
        OK: "The service responds in time and without errors.",
        NOTICE: "The service responds, with a remark.",
        WARNING: "Some requests to the service fail or take longer than before.",
        ALERT: "The service fails too often, or takes much longer than before.",
        INSUFFICIENT: "There were no requests to the service in this window, so its health is not known.",
    },
}


def findings_of(report: Mapping[str, Any], part: str | None) -> list[Mapping[str, Any]]:
    """Return the reasons of a report that belong to a part (None: all): findings, notices, insufficient checks.

    Raises
    ------
    MonitoringError
        If there is no such part.
    """
    if part is None:
        return list(report["reasons"])
    if part not in _SECTIONS:
        raise MonitoringError(f"A report has no part '{part}'. Use one of {listed(_SECTIONS, quoted=True)}.")
    others = {section for name, sections in _SECTIONS.items() if name != part for section in sections}
    return [reason for reason in report["reasons"] if reason.get("section") not in others]


def verdict_of(report: Mapping[str, Any], part: str) -> str:
    """Return the worst verdict of a part; without requests, that of the service is insufficient."""
    if part == "service" and not report["service"]["requests"]:
        return INSUFFICIENT
    return worst([OK, *(reason["verdict"] for reason in findings_of(report, part))])


def sentence_of(report: Mapping[str, Any], part: str) -> str:
    """Return the verdict of a part in a sentence for everyone."""
    return _SENTENCES[part][verdict_of(report, part)]
