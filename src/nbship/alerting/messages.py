"""The message about several notices: what changed, why, and what to do, without a value of any row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..text import counted
from .findings import FINDINGS
from .records import Notice

__all__ = ["Message", "compose", "window_words"]

# Alerts that a message explains, and those of which it has a line.
_EXPLAINED, _LISTED = 12, 300


@dataclass(frozen=True)
class Message:
    """A message: `severity` is that of its severest alert, or `resolved`."""

    title: str
    body: str
    severity: str


def compose(project: str, notices: Sequence[Notice]) -> Message:
    """Return one message about notices for a sink; events of the same alert become one paragraph."""
    events: dict[int, list[Notice]] = {}
    for notice in notices:
        events.setdefault(notice.alert.id, []).append(notice)
    groups = sorted(events.values(), key=_order)
    opened = [group[0].alert for group in groups if not _is_resolved(group)]
    resolved = len(groups) - len(opened)
    counts = [counted(len(opened), "alert")] * bool(opened) + [f"{resolved} resolved"] * bool(resolved)
    paragraphs = [_paragraph(group) for group in groups[:_EXPLAINED]]
    if lines := [_heading(group) for group in groups[_EXPLAINED:_LISTED]]:
        paragraphs.append("\n".join(lines))
    if len(groups) > _LISTED:
        paragraphs.append(f"And {len(groups) - _LISTED} more: nbship monitor alerts list --all")
    if ids := [str(alert.id) for alert in opened if alert.acked_at is None]:
        paragraphs.append(f"Acknowledge: nbship monitor alerts ack {' '.join(ids[:_EXPLAINED])}")
    severity = max((alert.severity for alert in opened), key=FINDINGS.index, default="resolved")
    return Message(f"{project}: {', '.join(counts)}", "\n\n".join(paragraphs), severity)


def window_words(window: str) -> str:
    """Return a window in words.

    >>> window_words("2024-01-01_2024-02-01")
    '2024-01-01 to 2024-02-01'
    """
    return window.replace("_", " to ")


def _order(group: Sequence[Notice]) -> tuple[bool, int, int]:
    alert = group[0].alert
    return _is_resolved(group), -FINDINGS.index(alert.severity), alert.id


def _is_resolved(group: Sequence[Notice]) -> bool:
    return any(notice.event == "resolved" for notice in group)


def _paragraph(group: Sequence[Notice]) -> str:
    alert = group[0].alert
    if _is_resolved(group):
        return f"{_heading(group)}\nIts last finding was in the window {window_words(alert.last_window)}."
    since = "" if alert.first_window == alert.last_window else f", first found in {window_words(alert.first_window)}"
    return f"{_heading(group)}\nWindow {window_words(alert.last_window)}{since}.\nWhy: {alert.link}"


def _heading(group: Sequence[Notice]) -> str:
    alert, events = group[0].alert, [notice.event for notice in group]
    word = "NOT ACKNOWLEDGED" if "escalated" in events else alert.severity.upper()
    if _is_resolved(group):
        # The sink could not be reached while the alert was open.
        word = "RESOLVED before it was announced:" if "new" in events else "RESOLVED"
    return f"{word} #{alert.id} {alert.words} (model {alert.model})"
