"""A spool: local files that store entries while the database of a prediction log is unavailable."""

from __future__ import annotations

from .segments import Segments
from .spooled import WRITE_SECONDS, Spooled

__all__ = ["WRITE_SECONDS", "Segments", "Spooled"]
