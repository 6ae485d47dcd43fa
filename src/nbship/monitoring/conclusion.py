"""The conclusion of a report, in words: what changed, and what to do."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..text import counted, listed, plural
from .verdict import ALERT, BROKEN, INSUFFICIENT, NOTICE, OK, WARNING, worst

__all__ = ["conclude"]

_FINDINGS = (WARNING, ALERT)
# From this many inputs on, a reason that they share is given once.
_SHARED = 3
_SHOWN = 3


def conclude(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Judge a window as a whole.

    Parameters
    ----------
    sections
        The sections of a report: `volume`, `drift`, `given`, `prediction_drift`, `data`, `unseen`, `performance`, `labels`,
        `slices`, `discovered`, `service`.

    Returns
    -------
    dict
        `verdict`; `headline`: a sentence for everyone, then what changed; `advice`: what to do; `reasons`: for each finding,
        notice and insufficient check, in this order, its `verdict`, `kind`, `section`, `subject` and `reason`.
    """
    found = sorted(_reasons(sections), key=lambda reason: -_severity(reason["verdict"]))
    verdict = worst(reason["verdict"] for reason in found)
    headline, advice = _words(sections, verdict)
    reasons = [reason for reason in found if reason["verdict"] != OK]
    return {"verdict": verdict, "headline": headline, "advice": advice, "reasons": reasons}


def _severity(verdict: str) -> int:
    return {OK: 0, INSUFFICIENT: 1, NOTICE: 2, WARNING: 3, ALERT: 3}[verdict]


def _reason(
    section: str, record: Mapping[str, Any], subject: str, title: str, *, kind: str = "", words: str = ""
) -> dict[str, Any]:
    return {
        "verdict": record["verdict"],
        "kind": kind or record.get("kind"),
        "section": section,
        "subject": subject,
        "reason": f"{title}: {words or record['reason']}",
    }


def _reasons(sections: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    performance, volume = sections["performance"], sections["volume"]
    for record in sections.get("data", ()):
        yield _reason("data", record, record["check"], "Data")
    if performance["verdict"] == INSUFFICIENT and not performance["checks"]:
        yield _reason("performance", performance, "performance", "Performance", kind="performance")
    for check in performance["checks"]:
        words = _check_words(check)
        yield _reason("performance", check, check["check"], "Performance", kind="performance", words=words)
    for record in _findings([sections["labels"]]):
        yield _reason("labels", record, "labels", "Labels", kind="labels")
    yield _reason("prediction_drift", sections["prediction_drift"], "predictions", "Predictions")
    yield from _of_inputs([*sections["drift"], *sections.get("given", ())])
    if "unseen" in sections:
        yield _reason("unseen", sections["unseen"], "unseen", "New to the model")
    for row in sections["discovered"]:
        yield _reason("discovered", row, "discovered", "Slice", kind="slice", words=f"{_found_words(row)}.")
    for row in _findings(sections["slices"]):
        title = f"Slice {row['slice']} = {_value(row['value'])}"
        yield _reason("slices", row, str(row["slice"]), title, kind="slice", words=_slice_words(row))
    yield _reason("volume", volume, "volume", "Volume", kind="volume")
    if sections["service"]["requests"]:
        yield _reason("service", sections["service"], "service", "Service", kind="service")


def _of_inputs(drift: Sequence[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    counts = Counter((record["verdict"], record["reason"]) for record in drift)
    shared = {key for key, number in counts.items() if number >= _SHARED and key[0] == INSUFFICIENT}
    for verdict, reason in sorted(shared):
        yield _reason("drift", {"verdict": verdict, "reason": reason}, "inputs", f"{counts[verdict, reason]} inputs")
    for record in _by_size(drift):
        if (record["verdict"], record["reason"]) not in shared:
            section = "given" if record.get("given") else "drift"
            yield _reason(section, record, record["field"], f"Input '{record['field']}'")


def _by_size(drift: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(drift, key=lambda record: -(record.get("psi") or math.inf))


def _words(sections: Mapping[str, Any], verdict: str) -> tuple[str, str]:
    changed = [*_data_words(sections), *_performance_words(sections), *_drift_words(sections), *_other_words(sections)]
    if changed:
        return f"{_first_sentence(sections)} {_sentence(changed)}", _advice(sections)
    if verdict == INSUFFICIENT:
        headline, advice = _no_finding(sections)
        return headline + _unseen_words(sections), advice
    if verdict == NOTICE:
        return (
            f"Nothing is broken, but part of the data is new to the model.{_unseen_words(sections)}",
            "The predictions are as good as on the held-out data; retrain once labels cover the new data."
            if sections["performance"]["verdict"] == OK
            else "Watch the performance once labels are known; retrain when they cover the new data.",
        )
    return (
        "The model works as it did when it was accepted. No change: inputs and predictions are as between past periods, and performance matches the held-out data.",
        "No action needed.",
    )


def _first_sentence(sections: Mapping[str, Any]) -> str:
    """Return a sentence for readers who know neither the model nor statistics."""
    if _is_broken(sections):
        return "Do not rely on these predictions until the data are checked: they look broken."
    if _findings(sections["performance"]["checks"]):
        return "The predictions are worse than when the model was accepted."
    if _findings([sections["labels"]]):
        return "Outcomes are missing or late, so how good the predictions are is not known."
    if _findings(_all_drift(sections)) or sections.get("unseen", {}).get("verdict") in _FINDINGS:
        if sections["performance"]["verdict"] == OK:
            return "The data changed more than they usually do, and the predictions are as good as before."
        return "The data changed more than they usually do; whether the predictions suffer is not known yet."
    if found := _of_service(sections):
        return "The service fails too often." if "errors" in found else "The service is slower than it was."
    return "The model works, with exceptions."


def _all_drift(sections: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*sections["drift"], *sections.get("given", ()), sections["prediction_drift"]]


def _is_broken(sections: Mapping[str, Any]) -> bool:
    return any(
        record["verdict"] in _FINDINGS and record.get("kind") == BROKEN
        for record in (*_all_drift(sections), *sections.get("data", ()))
    )


def _data_words(sections: Mapping[str, Any]) -> list[str]:
    """Return the reasons of broken data, which say themselves what is wrong."""
    words = [record["reason"] for record in _findings(sections.get("data", ()))]
    broken = [record for record in _findings(sections["drift"]) if record.get("kind") == BROKEN]
    words += [f"{record['field']}: {record['reason'][:1].lower()}{record['reason'][1:]}" for record in broken[:_SHOWN]]
    if len(broken) > _SHOWN:
        words.append(f"{len(broken) - _SHOWN} more inputs look broken")
    return [one.rstrip(".") for one in words]


def _unseen_words(sections: Mapping[str, Any]) -> str:
    unseen = sections.get("unseen", {"verdict": OK})
    return f" {unseen['reason']}" if unseen["verdict"] != OK else ""


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
    found = [record for record in _findings(sections["drift"]) if record.get("kind") != BROKEN]
    fields = [record["field"] for record in _by_size([*found, *_findings(sections.get("given", ()))])]
    words = []
    if fields:
        total = len(sections["drift"])
        words.append(f"{len(fields)} of {total} {plural(total, 'input')} drifted ({listed(fields, most=3)})")
    if sections["prediction_drift"]["verdict"] in _FINDINGS:
        words.append("the distribution of the predictions drifted")
    return words


def _other_words(sections: Mapping[str, Any]) -> list[str]:
    words = [record["reason"].partition(". ")[0].rstrip(".") for record in _findings([sections["labels"]])]
    if sections.get("unseen", {}).get("verdict") in _FINDINGS:
        words.append(sections["unseen"]["reason"].rstrip("."))
    slices = [f"{row['slice']} {_value(row['value'])}" for row in _findings(sections["slices"])]
    if slices:
        words.append(
            f"{counted(len(slices), 'slice is', 'slices are')} less well calibrated than the whole window ({listed(slices, most=3)})"
        )
    words += [_found_words(row) for row in sections["discovered"][:_SHOWN]]
    if sections["volume"].get("unreadable"):
        words.append("rows of batch runs can no longer be read")
    elif sections["volume"]["verdict"] in _FINDINGS:
        words.append(f"{counted(len(sections['volume']['missing_days']), 'day has', 'days have')} no predictions")
    found = _of_service(sections)
    if "errors" in found:
        words.append(f"{found['errors']['value']:.1%} of the requests failed")
    if "latency" in found:
        words.append(found["latency"]["reason"].rstrip("."))
    return words


def _of_service(sections: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the findings about the service, by their checks."""
    return {check["check"]: check for check in _findings(sections["service"]["checks"])}


def _advice(sections: Mapping[str, Any]) -> str:
    performance = sections["performance"]
    found = {check["check"] for check in _findings(performance["checks"])}
    gaps = [record["field"] for record in _findings(sections["drift"]) if record.get("kind") == BROKEN]
    gaps += [record["subject"] for record in _findings(sections.get("data", ()))]
    advice = []
    if gaps:
        advice.append(f"First check the source of {listed(gaps, most=4)}, and predict these rows again.")
    if _findings([sections["labels"]]):
        advice.append("Find out whether labels still arrive.")
    if found - {"mean probability against rate"}:
        advice.append("Retrain with this window's rows, and compare before you promote.")
    elif found:
        advice.append(
            "The ranking holds but the probabilities are off: retrain or recalibrate with this window's rows."
        )
    elif performance["verdict"] == INSUFFICIENT:
        advice.append(f"The effect on performance is not known yet: {performance['reason']} {_LABELS}")
    elif _findings(_all_drift(sections)):
        advice.append("Performance matches the held-out data: no need to retrain; watch the next window.")
    if sections["volume"].get("unreadable"):
        advice.append("Predict those files again, so that their rows are counted.")
    elif sections["volume"]["verdict"] in _FINDINGS:
        advice.append("Find out why days are missing: no requests, or no logging?")
    if "errors" in _of_service(sections):
        advice.append("Look at the errors in the prediction log.")
    if "latency" in _of_service(sections):
        advice.append("Find out what slows the service: a larger model, larger requests, other work on its machine?")
    if (_findings(sections["slices"]) or sections["discovered"]) and not found:
        advice.append("Look at these slices, and add features that distinguish them.")
    return " ".join(advice)


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


def _found_words(row: Mapping[str, Any]) -> str:
    where = " and ".join(f"{one['field']} = {one['value']}" for one in row["where"])
    size = (
        f"{row['error'] / row['others']:.1f} times that of the other rows"
        if row["others"]
        else f"{row['error']:.3g}, and 0 in the other rows"
    )
    return f"where {where}, the error is {size} ({row['rows']:,} rows)"


def _value(value: Any) -> str:
    return "(missing)" if value is None else str(value)


def _findings(records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [record for record in records if record["verdict"] in _FINDINGS]


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "."
