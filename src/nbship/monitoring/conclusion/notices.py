"""What is new or different, and no finding: sentences for the end of a headline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...text import counted
from ..verdict import NOTICE, OK

__all__ = ["notices_of"]

_SHOWN = 2


def notices_of(sections: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each notice, of many new segments only the largest."""
    unseen = sections.get("unseen", {"verdict": OK})
    words = [unseen["reason"]] if unseen["verdict"] != OK else []
    segments = [one for one in sections.get("segments", ()) if one["verdict"] == NOTICE]
    words += [one["reason"] for one in segments[:_SHOWN]]
    if len(segments) > _SHOWN:
        words.append(f"{counted(len(segments) - _SHOWN, 'more segment is', 'more segments are')} new.")
    for name in ("feedback", "history"):
        words += [check["reason"] for check in sections.get(name, {}).get("checks", ()) if check["verdict"] == NOTICE]
    return words
