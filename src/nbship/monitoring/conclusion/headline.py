"""The headline of a report: a sentence for everyone, then what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...text import counted, listed, plural
from ..verdict import ALERT, BROKEN, INSUFFICIENT, NOTICE, OK, WARNING
from .advice import advice_of, advice_on_notices
from .notices import notices_of
from .phrases import IMPORT_LABELS, all_drift, by_size, check_words, findings, found_words, of_service, value_words

__all__ = ["headline_of"]

_FINDINGS = (WARNING, ALERT)
_SHOWN = 3


def headline_of(sections: Mapping[str, Any], verdict: str) -> tuple[str, str]:
    changed = [*_data_words(sections), *_performance_words(sections), *_drift_words(sections), *_other_words(sections)]
    if changed:
        return f"{_first_sentence(sections)} {_sentence(changed)}", advice_of(sections)
    if verdict == INSUFFICIENT:
        headline, advice = _no_finding(sections)
        return " ".join([headline, *notices_of(sections)]), advice
    if verdict == NOTICE:
        return " ".join([_first_notice(sections), *notices_of(sections)]), advice_on_notices(sections)
    return (
        "The model works as it did when it was accepted. No change: inputs and predictions are as between past periods, and performance matches the held-out data.",
        "No action needed.",
    )


def _first_notice(sections: Mapping[str, Any]) -> str:
    if sections.get("unseen", {"verdict": OK})["verdict"] != OK or sections.get("segments"):
        return "Nothing is broken, but part of the data is new to the model."
    return "Nothing is broken, but this window differs from earlier ones."


def _first_sentence(sections: Mapping[str, Any]) -> str:
    """Return a sentence for readers who know neither the model nor statistics."""
    if _is_broken(sections):
        return "Do not rely on these predictions until the data are checked: they look broken."
    if findings(sections["performance"]["checks"]):
        return "The predictions are worse than when the model was accepted."
    if any(row["verdict"] in _FINDINGS for row in sections.get("history", {}).get("checks", ())):
        return "The predictions are worse than in earlier windows."
    if findings([sections["labels"]]):
        return "Outcomes are missing or late, so how good the predictions are is not known."
    if sections.get("feedback", {}).get("verdict") in _FINDINGS:
        return (
            "Predictions seem to decide which outcomes are known, or what happens, so how good they are is not certain."
        )
    if findings(all_drift(sections)) or sections.get("unseen", {}).get("verdict") in _FINDINGS:
        if sections["performance"]["verdict"] == OK:
            return "The data changed more than they usually do, and the predictions are as good as before."
        return "The data changed more than they usually do; whether the predictions suffer is not known yet."
    if found := of_service(sections):
        return "The service fails too often." if "errors" in found else "The service is slower than it was."
    return "The model works, with exceptions."


def _is_broken(sections: Mapping[str, Any]) -> bool:
    return any(
        record["verdict"] in _FINDINGS and record.get("kind") == BROKEN
        for record in (*all_drift(sections), *sections.get("data", ()))
    )


def _data_words(sections: Mapping[str, Any]) -> list[str]:
    """Return the reasons of broken data, which say themselves what is wrong."""
    words = [record["reason"] for record in findings(sections.get("data", ()))]
    broken = [record for record in findings(sections["drift"]) if record.get("kind") == BROKEN]
    # A broken feed breaks many inputs in one way: 'temperature, humidity and 5 more: the values are stuck'.
    fields: dict[str, list[str]] = {}
    for record in broken:
        fields.setdefault(record["reason"].partition(". ")[0].rstrip("."), []).append(record["field"])
    words += [
        f"{listed(names, most=3)}: {reason[:1].lower()}{reason[1:]}" for reason, names in list(fields.items())[:_SHOWN]
    ]
    more = sum(map(len, list(fields.values())[_SHOWN:]))
    if more:
        words.append(f"{counted(more, 'more input looks', 'more inputs look')} broken")
    return [one.rstrip(".") for one in words]


def _no_finding(sections: Mapping[str, Any]) -> tuple[str, str]:
    if sections["volume"]["verdict"] == INSUFFICIENT:
        return (
            f"Too little data to judge: {sections['volume']['reason']}",
            "Choose a longer window, or wait for more predictions.",
        )
    if sections["performance"]["verdict"] == INSUFFICIENT:
        words = sections["performance"]["reason"] if not sections["performance"]["checks"] else _unjudged(sections)
        return f"No change found, but performance cannot be judged: {words}", IMPORT_LABELS
    return (
        "No change found, but some checks have too little data.",
        "Choose a longer window for the checks listed below.",
    )


def _unjudged(sections: Mapping[str, Any]) -> str:
    names = [check["check"] for check in sections["performance"]["checks"] if check["verdict"] == INSUFFICIENT]
    return f"there is nothing to compare the {' and the '.join(names)} with."


def _performance_words(sections: Mapping[str, Any]) -> list[str]:
    return [check_words(check).rstrip(".") for check in findings(sections["performance"]["checks"])]


def _drift_words(sections: Mapping[str, Any]) -> list[str]:
    found = [record for record in findings(sections["drift"]) if record.get("kind") != BROKEN]
    fields = [record["field"] for record in by_size([*found, *findings(sections.get("given", ()))])]
    words = []
    if fields:
        total = len(sections["drift"])
        words.append(f"{len(fields)} of {total} {plural(total, 'input')} drifted ({listed(fields, most=3)})")
    if sections["prediction_drift"]["verdict"] in _FINDINGS:
        words.append("the distribution of the predictions drifted")
    return words


def _other_words(sections: Mapping[str, Any]) -> list[str]:
    words = [record["reason"].partition(". ")[0].rstrip(".") for record in findings([sections["labels"]])]
    if sections.get("unseen", {}).get("verdict") in _FINDINGS:
        words.append(sections["unseen"]["reason"].rstrip("."))
    slices = [f"{row['slice']} {value_words(row['value'])}" for row in findings(sections["slices"])]
    if slices:
        words.append(
            f"{counted(len(slices), 'slice is', 'slices are')} less well calibrated than the whole window ({listed(slices, most=3)})"
        )
    words += [found_words(row) for row in sections["discovered"][:_SHOWN]]
    for records in (sections.get("segments", ()), *(sections.get(name, {}).get("checks", ()) for name in ("feedback", "history"))):  # fmt: skip
        words += [record["reason"].rstrip(".") for record in findings(records)[:_SHOWN]]
    if sections["volume"].get("unreadable"):
        words.append("rows of batch runs can no longer be read")
    elif sections["volume"]["verdict"] in _FINDINGS:
        words.append(f"{counted(len(sections['volume']['missing_days']), 'day has', 'days have')} no predictions")
    found = of_service(sections)
    if "errors" in found:
        words.append(f"{found['errors']['value']:.1%} of the requests failed")
    if "latency" in found:
        words.append(found["latency"]["reason"].rstrip("."))
    return words


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "."
