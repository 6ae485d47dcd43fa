"""The message about several notices: what changed, why, and what to do, without a value of any row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..text import counted, listed
from .findings import FINDINGS
from .records import Alert, Notice

__all__ = ["Message", "compose", "window_words"]

_SHOWN = 12


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
    paragraphs = [_paragraph(group) for group in groups[:_SHOWN]]
    if len(groups) > _SHOWN:
        paragraphs.append(f"And {len(groups) - _SHOWN} more: nbship monitor alerts list")
    if ids := [alert.id for alert in opened if alert.acked_at is None]:
        paragraphs.append(
            f"Acknowledge: nbship monitor alerts ack {listed(ids, most=_SHOWN, separator=' ').split(' and ')[0]}"
        )
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
    alert, names = group[0].alert, [notice.event for notice in group]
    if _is_resolved(group):
        late = " It was not announced before, since this sink did not accept messages." if "new" in names else ""
        return (
            f"RESOLVED {_subject(alert)}\nIts last finding was in the window {window_words(alert.last_window)}.{late}"
        )
    word = "NOT ACKNOWLEDGED" if "escalated" in names else alert.severity.upper()
    since = "" if alert.first_window == alert.last_window else f", first found in {window_words(alert.first_window)}"
    return f"{word} {_subject(alert)}\nWindow {window_words(alert.last_window)}{since}.\nWhy: {alert.link}"


def _subject(alert: Alert) -> str:
    return f"#{alert.id} {alert.words} (model {alert.model})"
