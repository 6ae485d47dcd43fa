"""What a report means, in words: what changed, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .verdict import ALERT, INSUFFICIENT, OK, WARNING, worst

__all__ = ["conclude"]

_LOUD = (WARNING, ALERT)


def conclude(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Judge a window as a whole.

    Parameters
    ----------
    sections
        The sections of a report: `volume`, `drift`, `prediction_drift`, `performance`, `slices`, `service`.

    Returns
    -------
    dict
        `verdict`; `headline`: what changed; `advice`: what to do; `reasons`: one sentence each, warnings and alerts before what could not be judged.
    """
    # What is loud comes first, in the order of `_reasons`: what the model did, then what it was given.
    found = sorted(_reasons(sections), key=lambda reason: -_loudness(reason[0]))
    verdict = worst(verdict for verdict, _ in found)
    headline, advice = _words(sections, verdict)
    reasons = [{"verdict": verdict, "reason": reason} for verdict, reason in found if verdict != OK]
    return {"verdict": verdict, "headline": headline, "advice": advice, "reasons": reasons}


def _loudness(verdict: str) -> int:
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
    for row in _loud(sections["slices"]):
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
        return _quiet(sections)
    return (
        "Nothing changed: inputs, predictions and performance are as they were when the model was made.",
        "Nothing to do.",
    )


def _quiet(sections: Mapping[str, Any]) -> tuple[str, str]:
    if sections["volume"]["verdict"] == INSUFFICIENT:
        return (
            f"Too little to judge: {sections['volume']['reason']}",
            "Choose a longer window, or wait for more predictions.",
        )
    if sections["performance"]["verdict"] == INSUFFICIENT:
        words = sections["performance"]["reason"] if not sections["performance"]["checks"] else _unjudged(sections)
        return f"No change seen, but performance cannot be judged: {words}", _LABELS
    return (
        "No change seen where there are enough data; some checks have too few.",
        "See below which, and choose a longer window for them.",
    )


_LABELS = "Bring in what happened with `nbship labels FILE`, then write this report again."


def _unjudged(sections: Mapping[str, Any]) -> str:
    names = [check["check"] for check in sections["performance"]["checks"] if check["verdict"] == INSUFFICIENT]
    return f"there is nothing to compare the {' and the '.join(names)} with."


def _performance_words(sections: Mapping[str, Any]) -> list[str]:
    return [_check_words(check).rstrip(".") for check in _loud(sections["performance"]["checks"])]


def _drift_words(sections: Mapping[str, Any]) -> list[str]:
    fields = [record["field"] for record in _by_size(_loud(sections["drift"]))]
    words = []
    if fields:
        words.append(f"{len(fields)} of {len(sections['drift'])} inputs moved ({_listed(fields, 3)})")
    if sections["prediction_drift"]["verdict"] in _LOUD:
        words.append("the predictions' distribution moved")
    return words


def _other_words(sections: Mapping[str, Any]) -> list[str]:
    words = []
    slices = [f"{row['slice']} {_value(row['value'])}" for row in _loud(sections["slices"])]
    if slices:
        words.append(
            f"{_several(len(slices), 'slice misses', 'slices miss')} by more than the rest ({_listed(slices, 3)})"
        )
    if sections["volume"].get("unreadable"):
        words.append("rows of batch runs cannot be read any more")
    elif sections["volume"]["verdict"] in _LOUD:
        words.append(f"{_several(len(sections['volume']['missing_days']), 'day has', 'days have')} no predictions")
    if sections["service"]["requests"] and sections["service"]["verdict"] in _LOUD:
        words.append(f"{sections['service']['share_errors']:.1%} of the requests ended in an error")
    return words


def _advice(sections: Mapping[str, Any]) -> str:
    performance = sections["performance"]
    loud = {check["check"] for check in _loud(performance["checks"])}
    gaps = [record["field"] for record in sections["drift"] if _is_gap(record)]
    advice = []
    if gaps:
        advice.append(f"First check the source of {_listed(gaps)}: more is missing or new there than in training.")
    if loud - {"mean probability against rate"}:
        advice.append("Retrain with this window's rows, and compare before you promote.")
    elif loud:
        advice.append("The ranking still holds and the level does not: retrain or recalibrate with this window's rows.")
    elif performance["verdict"] == INSUFFICIENT:
        advice.append(f"Whether the model suffers cannot be told yet: {performance['reason']} {_LABELS}")
    elif _loud(sections["drift"]) or sections["prediction_drift"]["verdict"] in _LOUD:
        advice.append("The model still performs as it did on held-out data: no need to retrain; watch the next window.")
    if sections["volume"].get("unreadable"):
        advice.append("Score those files again, so that their rows count.")
    elif sections["volume"]["verdict"] in _LOUD:
        advice.append("Find out why days are missing: was nothing asked, or was nothing logged?")
    if sections["service"]["requests"] and sections["service"]["verdict"] in _LOUD:
        advice.append("Look at the errors in the prediction log.")
    if _loud(sections["slices"]) and not loud:
        advice.append("Look at the slices named, and give the model what tells them apart.")
    return " ".join(advice)


def _is_gap(record: Mapping[str, Any]) -> bool:
    if record["verdict"] in _LOUD and not record["checks"]:
        return True
    loud = {check["check"] for check in _loud(record["checks"])}
    more = record["missing"]["share"] > record["missing"]["reference_share"]
    return "new categories" in loud or ("missing" in loud and more)


def _check_words(check: Mapping[str, Any]) -> str:
    value, reference = check["value"], check["reference"]
    if check["check"] == "mean probability against rate":
        side = "high" if check["change"] > 0 else "low"
        return f"the model said {value:.1%} on average and {reference:.1%} happened ({abs(check['change']) * 100:.1f} points too {side})."
    if value is None or reference is None:
        return f"the {_name(check)} cannot be compared: {'it is not defined here' if value is None else 'the package states none'}."
    direction = "fell" if value < reference else "rose" if value > reference else "stayed"
    return f"the {_name(check)} {direction} from {reference:.3f} on held-out data to {value:.3f}."


def _name(check: Mapping[str, Any]) -> str:
    name = str(check["check"])
    return {"auc": "AUC", "mae": "mean absolute error"}.get(name, name)


def _slice_words(row: Mapping[str, Any]) -> str:
    return f"the model said {row['mean_probability']:.1%} on average and {row['base_rate']:.1%} happened ({row['n']} rows)."


def _value(value: Any) -> str:
    return "(missing)" if value is None else str(value)


def _loud(records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [record for record in records if record["verdict"] in _LOUD]


def _listed(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _several(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "."
