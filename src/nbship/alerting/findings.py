"""The findings of a monitoring report, in words that hold no value of any row.

Reasons in a report may quote new categories or values of slices, which can be personal. A message leaves the machine, so
its words are made here from names of fields and checks, and from counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, TypeAlias

from ..text import counted, listed

__all__ = ["FINDINGS", "Finding", "Key", "find", "is_at_least", "length_of"]

# Verdicts from harmless to severe. What is not among them is taken for a warning: silence is not health.
_OK, _UNKNOWN, FINDINGS = "ok", "insufficient", ("notice", "warning", "alert")
# Every subject of a section that could not be judged.
EVERY = "*"
_NAME_OF_CHECK = re.compile(r"[a-zA-Z][a-zA-Z _-]{0,39}")
# Reports have these beside their sections.
_NOT_SECTIONS = ("reasons", "trend", "findings")
_TITLES = {
    "prediction_drift": "Predictions",
    "labels": "Labels: missing or late",
    "discovered": "A slice with larger errors",
    "segments": "Segments that training never saw",
    "feedback": "Feedback of predictions",
    "history": "Compared with earlier windows",
    "volume": "Volume",
    "service": "Service",
    "unseen": "Values that training never saw",
}

# The section of a report, and its field, measure or slice.
Key: TypeAlias = "tuple[str, str]"


class Finding(NamedTuple):
    """What a report says about a subject: a severity of `FINDINGS`, or None if it could not be judged."""

    severity: str | None
    words: str


def is_at_least(severity: str, least: str) -> bool:
    """Return whether a severity is at least another one.

    >>> is_at_least("alert", "warning"), is_at_least("notice", "warning")
    (True, False)
    """
    return FINDINGS.index(severity) >= FINDINGS.index(least)


def length_of(first: str, last: str) -> str:
    """Return the length of a window in words; windows of one length are followed together.

    >>> length_of("2024-02-01", "2024-03-01"), length_of("2024-02-01", "2024-02-08"), length_of("2024-02-01", "2024-02-11")
    ('month', 'week', '10 days')
    """
    days = (date.fromisoformat(last) - date.fromisoformat(first)).days
    return {1: "day", 7: "week"}.get(days) or ("month" if 28 <= days <= 31 else f"{days} days")


def find(report: Mapping[str, Any]) -> dict[Key, Finding]:
    """Return the findings of a report, and what could not be judged.

    Examples
    --------
    >>> drifted = {"field": "size", "verdict": "alert", "checks": [{"check": "missing", "verdict": "alert"}]}
    >>> find({"drift": [drifted, {"field": "shop", "verdict": "ok"}], "volume": {"verdict": "insufficient"}})
    {('drift', 'size'): Finding(severity='alert', words="Input 'size': missing"), ('volume', '*'): Finding(severity=None, words='Volume: not judged')}
    """
    found: dict[Key, Finding] = {}
    for section, content in report.items():
        if section in _NOT_SECTIONS:
            continue
        grouped: dict[str, list[Mapping[str, Any]]] = {}
        for subject, record in _records(content):
            grouped.setdefault(subject, []).append(record)
        for subject, records in grouped.items():
            severity = _worst([record["verdict"] for record in records])
            if severity != _OK:
                words = _words(section, subject, records) if severity else f"{_title(section, subject)}: not judged"
                found[section, subject] = Finding(severity, words)
    return found


def _records(content: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the records with a verdict in a section, each with its subject."""
    if isinstance(content, Mapping) and "verdict" in content:
        if content["verdict"] == _UNKNOWN or content.get("requests") == 0:
            yield EVERY, {"verdict": _UNKNOWN}
        elif content.get("checks") and "field" not in content:
            yield from ((str(check["check"]), check) for check in content["checks"])
        else:
            yield str(content.get("field") or ""), content
    elif isinstance(content, Sequence) and not isinstance(content, str):
        for record in content:
            if isinstance(record, Mapping) and "verdict" in record:
                named = next((record[key] for key in ("subject", "field", "slice", "check") if record.get(key)), "")
                yield str(named), record


def _worst(verdicts: Sequence[str]) -> str | None:
    """Return the severest verdict of one subject; None if none of them was judged."""
    judged = [verdict if verdict in (_OK, *FINDINGS) else "warning" for verdict in verdicts if verdict != _UNKNOWN]
    return max(judged, key=(_OK, *FINDINGS).index, default=None)


def _words(section: str, subject: str, records: Sequence[Mapping[str, Any]]) -> str:
    title, one = _title(section, subject), records[0]
    if section == "performance":
        value, reference = one.get("value"), one.get("reference")
        numbers = f" {value:.3g}, compared with {reference:.3g}" if _are_numbers(value, reference) else ""
        return f"{title}{numbers}"
    if section == "slices":
        values = sum(record["verdict"] in FINDINGS for record in records)
        return f"{title}: {counted(values, 'value')} with a finding"
    if section == "service" and subject == "errors" and _are_numbers(one.get("value")):
        return f"Service: {one['value']:.1%} of the requests failed"
    if section == "service" and subject == "latency" and _are_numbers(one.get("value"), one.get("reference")):
        return f"Service: slower, {one['value']:.3g} ms for 95 %, compared with {one['reference']:.3g} ms"
    if section == "service" and _are_numbers(one.get("share_errors")):
        return f"{title}: {one['share_errors']:.1%} of the requests failed"
    if section == "volume" and one.get("missing_days"):
        return f"{title}: {counted(len(one['missing_days']), 'day')} without predictions"
    worse = [record for record in records if record["verdict"] in FINDINGS]
    checks = [check for record in worse for check in record.get("checks", (record,)) if check["verdict"] in FINDINGS]
    names = [*(record.get("kind") for record in worse), *(check.get("check") for check in checks)]
    # Each name once: several values of another field may have the same finding.
    safe = dict.fromkeys(name for name in names if isinstance(name, str) and _NAME_OF_CHECK.fullmatch(name))
    return f"{title}: {listed(safe, most=5) if safe else 'a finding'}"


def _title(section: str, subject: str) -> str:
    if section in ("drift", "given"):
        return f"Input '{subject}'{' beside other fields' if section == 'given' else ''}"
    if section == "slices":
        return f"Slices by '{subject}'"
    if section == "performance":
        return "Performance" if subject == EVERY else f"Performance: {subject}"
    if subject == EVERY:
        subject = ""
    return _TITLES.get(section) or f"{section.replace('_', ' ').capitalize()}{f' {subject!r}' if subject else ''}"


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
