"""The known name that somebody probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

__all__ = ["nearest"]


def nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the known name most like `name`, or None if none is alike.

    >>> nearest("orgin", ["origin", "dest"])
    'origin'
    """
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.6)), None)
