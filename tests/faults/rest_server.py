"""Shared by tests that attack the REST service: a valid record, and the server's memory."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["RECORD", "resident_memory"]

RECORD = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}


def resident_memory(pid: int) -> int:
    """Return the resident memory of a process, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
