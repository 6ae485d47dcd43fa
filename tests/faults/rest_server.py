"""Shared by tests that attack the REST service: a valid record, and the server's memory."""

from __future__ import annotations

from servers import resident_memory

__all__ = ["RECORD", "resident_memory"]

RECORD = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}
