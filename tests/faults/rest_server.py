"""What those who attack the service share: a good record, and a look at its memory."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["RECORD", "memory_of"]

RECORD = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}


def memory_of(pid: int) -> int:
    """Return the resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
