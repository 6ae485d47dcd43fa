"""What is behind the verdict: each finding, notice and insufficient check, with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..verdict import INSUFFICIENT, NOTICE, WARNING
from .phrases import by_size, check_words, findings, found_words, slice_words, value_words

__all__ = ["reasons_of"]

# From this many inputs on, a reason that they share is given once.
_SHARED = 3


def reasons_of(sections: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    performance, volume = sections["performance"], sections["volume"]
    for record in sections.get("data", ()):
        yield _reason("data", record, record["check"], "Data")
    if performance["verdict"] == INSUFFICIENT and not performance["checks"]:
        yield _reason("performance", performance, "performance", "Performance", kind="performance")
    for check in performance["checks"]:
        words = check_words(check)
        yield _reason("performance", check, check["check"], "Performance", kind="performance", words=words)
    for record in findings([sections["labels"]]):
        yield _reason("labels", record, "labels", "Labels", kind="labels")
    yield _reason("prediction_drift", sections["prediction_drift"], "predictions", "Predictions")
    yield from _of_inputs([*sections["drift"], *sections.get("given", ())])
    if "unseen" in sections:
        yield _reason("unseen", sections["unseen"], "unseen", "New to the model")
    for row in sections["discovered"]:
        yield _reason("discovered", row, "discovered", "Slice", kind="slice", words=f"{found_words(row)}.")
    for row in findings(sections["slices"]):
        title = f"Slice {row['slice']} = {value_words(row['value'])}"
        yield _reason("slices", row, str(row["slice"]), title, kind="slice", words=slice_words(row))
    for record in sections.get("segments", ()):
        yield _reason("segments", record, "segments", "New segment")
    for subject, title in (("feedback", "Feedback"), ("history", "Earlier windows")):
        if subject in sections and sections[subject]["verdict"] in (NOTICE, WARNING):
            yield _reason(subject, sections[subject], subject, title, kind=subject)
    yield _reason("volume", volume, "volume", "Volume", kind="volume")
    if sections["service"]["requests"]:
        yield _reason("service", sections["service"], "service", "Service", kind="service")


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


def _of_inputs(drift: Sequence[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    counts = Counter((record["verdict"], record["reason"]) for record in drift)
    shared = {key for key, number in counts.items() if number >= _SHARED and key[0] == INSUFFICIENT}
    for verdict, reason in sorted(shared):
        yield _reason("drift", {"verdict": verdict, "reason": reason}, "inputs", f"{counts[verdict, reason]} inputs")
    for record in by_size(drift):
        if (record["verdict"], record["reason"]) not in shared:
            section = "given" if record.get("given") else "drift"
            yield _reason(section, record, record["field"], f"Input '{record['field']}'")
