"""The conclusion of a report, in words: what changed, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..text import counted, listed, plural
from .verdict import ALERT, INSUFFICIENT, OK, WARNING, worst

__all__ = ["conclude"]

_FINDINGS = (WARNING, ALERT)


def conclude(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Judge a window as a whole.

    Parameters
    ----------
    sections
        The sections of a report: `volume`, `drift`, `prediction_drift`, `performance`, `slices`, `service`.

    Returns
    -------
    dict
        `verdict`; `headline`: what changed; `advice`: what to do; `reasons`: one sentence each, findings before insufficient checks.
    """
    # Findings come first, in the order of `_reasons`: performance and predictions before inputs.
    found = sorted(_reasons(sections), key=lambda reason: -_severity(reason[0]))
    verdict = worst(verdict for verdict, _ in found)
    headline, advice = _words(sections, verdict)
    reasons = [{"verdict": verdict, "reason": reason} for verdict, reason in found if verdict != OK]
    return {"verdict": verdict, "headline": headline, "advice": advice, "reasons": reasons}


def _severity(verdict: str) -> int:
    return {OK: 0, INSUFFICIENT: 1}.get(verdict, 2)


def _reasons(sections: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    performance, prediction = sections["performance"], sections["prediction_drift"]
    if performance["verdict"] == INSUFFICIENT and not performance["checks"]:
        yield INSUFFICIENT, f"Performance: {performance['reason']}"
    for check in performance["checks"]:
        yield check["verdict"], f"Performance: {_check_words(check)}"
    yield prediction["verdict"], f"Predictions: {prediction['reason']}"
    for record in _by_size(sections["drift"]):
        yield record["verdict"], f"Input '{record['field']}': {record['reason']}"
    for row in _findings(sections["slices"]):
        yield row["verdict"], f"Slice {row['slice']} = {_value(row['value'])}: {_slice_words(row)}"
    yield sections["volume"]["verdict"], f"Volume: {sections['volume']['reason']}"
    if sections["service"]["requests"]:
        yield sections["service"]["verdict"], f"Service: {sections['service']['reason']}"


def _by_size(drift: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(drift, key=lambda record: -(record.get("psi") or math.inf))


def _words(sections: Mapping[str, Any], verdict: str) -> tuple[str, str]:
    changed = [*_performance_words(sections), *_drift_words(sections), *_other_words(sections)]
    if changed:
        return _sentence(changed), _advice(sections)
    if verdict == INSUFFICIENT:
        return _no_finding(sections)
    return (
        "No change: inputs, predictions and performance match the training and held-out data.",
        "No action needed.",
    )


def _no_finding(sections: Mapping[str, Any]) -> tuple[str, str]:
    if sections["volume"]["verdict"] == INSUFFICIENT:
        return (
            f"Too little data to judge: {sections['volume']['reason']}",
            "Choose a longer window, or wait for more predictions.",
        )
    if sections["performance"]["verdict"] == INSUFFICIENT:
        words = sections["performance"]["reason"] if not sections["performance"]["checks"] else _unjudged(sections)
        return f"No change found, but performance cannot be judged: {words}", _LABELS
    return (
        "No change found, but some checks have too little data.",
        "Choose a longer window for the checks listed below.",
    )


_LABELS = "Import the labels with `nbship labels FILE`, then write this report again."


def _unjudged(sections: Mapping[str, Any]) -> str:
    names = [check["check"] for check in sections["performance"]["checks"] if check["verdict"] == INSUFFICIENT]
    return f"there is nothing to compare the {' and the '.join(names)} with."


def _performance_words(sections: Mapping[str, Any]) -> list[str]:
    return [_check_words(check).rstrip(".") for check in _findings(sections["performance"]["checks"])]


def _drift_words(sections: Mapping[str, Any]) -> list[str]:
    fields = [record["field"] for record in _by_size(_findings(sections["drift"]))]
    words = []
    if fields:
        words.append(
            f"{len(fields)} of {len(sections['drift'])} {plural(len(sections['drift']), 'input')} drifted ({listed(fields, most=3)})"
        )
    if sections["prediction_drift"]["verdict"] in _FINDINGS:
        words.append("the distribution of the predictions drifted")
    return words


def _other_words(sections: Mapping[str, Any]) -> list[str]:
    words = []
    slices = [f"{row['slice']} {_value(row['value'])}" for row in _findings(sections["slices"])]
    if slices:
        words.append(
            f"{counted(len(slices), 'slice is', 'slices are')} less well calibrated than the whole window ({listed(slices, most=3)})"
        )
    if sections["volume"].get("unreadable"):
        words.append("rows of batch runs can no longer be read")
    elif sections["volume"]["verdict"] in _FINDINGS:
        words.append(f"{counted(len(sections['volume']['missing_days']), 'day has', 'days have')} no predictions")
    if sections["service"]["requests"] and sections["service"]["verdict"] in _FINDINGS:
        words.append(f"{sections['service']['share_errors']:.1%} of the requests failed")
    return words


def _advice(sections: Mapping[str, Any]) -> str:
    performance = sections["performance"]
    found = {check["check"] for check in _findings(performance["checks"])}
    gaps = [record["field"] for record in sections["drift"] if _is_gap(record)]
    advice = []
    if gaps:
        advice.append(
            f"First check the source of {listed(gaps, most=4)}: more values are missing or new than in training."
        )
    if found - {"mean probability against rate"}:
        advice.append("Retrain with this window's rows, and compare before you promote.")
    elif found:
        advice.append(
            "The ranking holds but the probabilities are off: retrain or recalibrate with this window's rows."
        )
    elif performance["verdict"] == INSUFFICIENT:
        advice.append(f"The effect on performance is not known yet: {performance['reason']} {_LABELS}")
    elif _findings(sections["drift"]) or sections["prediction_drift"]["verdict"] in _FINDINGS:
        advice.append("Performance matches the held-out data: no need to retrain; watch the next window.")
    if sections["volume"].get("unreadable"):
        advice.append("Predict those files again, so that their rows are counted.")
    elif sections["volume"]["verdict"] in _FINDINGS:
        advice.append("Find out why days are missing: no requests, or no logging?")
    if sections["service"]["requests"] and sections["service"]["verdict"] in _FINDINGS:
        advice.append("Look at the errors in the prediction log.")
    if _findings(sections["slices"]) and not found:
        advice.append("Look at these slices, and add features that distinguish them.")
    return " ".join(advice)


def _is_gap(record: Mapping[str, Any]) -> bool:
    if record["verdict"] in _FINDINGS and not record["checks"]:
        return True
    found = {check["check"] for check in _findings(record["checks"])}
    more = record["missing"]["share"] > record["missing"]["reference_share"]
    return "new categories" in found or ("missing" in found and more)


def _check_words(check: Mapping[str, Any]) -> str:
    value, reference = check["value"], check["reference"]
    if check["check"] == "mean probability against rate":
        side = "high" if check["change"] > 0 else "low"
        return f"the mean probability is {value:.1%} and the observed rate {reference:.1%} ({abs(check['change']) * 100:.1f} points too {side})."
    if value is None or reference is None:
        return f"the {_name(check)} cannot be compared: {'it is not defined in this window' if value is None else 'the package holds no reference value'}."
    direction = "fell" if value < reference else "rose" if value > reference else "stayed"
    return f"the {_name(check)} {direction} from {reference:.3f} on held-out data to {value:.3f}."


def _name(check: Mapping[str, Any]) -> str:
    name = str(check["check"])
    return {"auc": "AUC", "mae": "mean absolute error"}.get(name, name)


def _slice_words(row: Mapping[str, Any]) -> str:
    return f"the mean probability is {row['mean_probability']:.1%} and the observed rate {row['base_rate']:.1%} ({row['n']} rows)."


def _value(value: Any) -> str:
    return "(missing)" if value is None else str(value)


def _findings(records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [record for record in records if record["verdict"] in _FINDINGS]


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "."
