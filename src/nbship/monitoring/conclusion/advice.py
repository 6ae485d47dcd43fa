"""What to do about the findings of a window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...text import listed
from ..verdict import ALERT, BROKEN, INSUFFICIENT, NOTICE, OK, WARNING
from .phrases import IMPORT_LABELS, all_drift, findings, of_service

__all__ = ["advice_of", "advice_on_notices"]

_RANDOM = "Collect the outcomes of some rows whatever was predicted for them, such as a random tenth."


def advice_of(sections: Mapping[str, Any]) -> str:
    performance = sections["performance"]
    found = {check["check"] for check in findings(performance["checks"])}
    gaps = [record["field"] for record in findings(sections["drift"]) if record.get("kind") == BROKEN]
    gaps += [record["subject"] for record in findings(sections.get("data", ()))]
    advice = []
    if gaps:
        advice.append(f"First check the source of {listed(gaps, most=4)}, and predict these rows again.")
    if findings([sections["labels"]]):
        advice.append("Find out whether labels still arrive.")
    if found - {"mean probability against rate"}:
        advice.append("Retrain with this window's rows, and compare before you promote.")
    elif found:
        advice.append(
            "The ranking holds but the probabilities are off: retrain or recalibrate with this window's rows."
        )
    elif performance["verdict"] == INSUFFICIENT and sections["volume"]["rows"]:
        advice.append(f"The effect on performance is not known yet: {performance['reason']} {IMPORT_LABELS}")
    elif findings(all_drift(sections)) and not gaps:
        advice.append("Performance matches the held-out data: no need to retrain; watch the next window.")
    if sections["volume"].get("unreadable"):
        advice.append("Predict those files again, so that their rows are counted.")
    elif sections["volume"]["verdict"] in (WARNING, ALERT):
        advice.append("Find out why days are missing: no requests, or no logging?")
    if "errors" in of_service(sections):
        advice.append("Look at the errors in the prediction log.")
    if "latency" in of_service(sections):
        advice.append("Find out what slows the service: a larger model, larger requests, other work on its machine?")
    if (findings(sections["slices"]) or sections["discovered"]) and not found:
        advice.append("Look at these slices, and add features that distinguish them.")
    if findings(sections.get("segments", ())):
        advice.append("Collect labels of the new segments, and retrain with them.")
    if sections.get("feedback", {}).get("verdict") in (WARNING, ALERT):
        advice.append(_RANDOM)
    if findings(sections.get("history", {}).get("checks", ())) and not found:
        advice.append("Retrain with the rows of the last windows, and compare before you promote.")
    return " ".join(advice)


def advice_on_notices(sections: Mapping[str, Any]) -> str:
    """Return what to do where there are notices, and no findings."""
    if sections.get("unseen", {"verdict": OK})["verdict"] != OK or sections.get("segments"):
        if sections["performance"]["verdict"] == OK:
            return "The predictions are as good as on the held-out data; retrain once labels cover the new data."
        return "Watch the performance once labels are known; retrain when they cover the new data."
    return _RANDOM if sections.get("feedback", {}).get("verdict") == NOTICE else "Watch the next window."
