"""Suggest a known name for a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

__all__ = ["nearest"]


def nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the known name most similar to `name`, or None if no name is similar.

    >>> nearest("orgin", ["origin", "dest"])
    'origin'
    """
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.6)), None)
