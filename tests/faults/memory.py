"""The memory of a process and its descendants."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

__all__ = ["peak_memory"]


def peak_memory(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process, and return its peak memory in bytes, descendants included, shared pages counted once."""
    most = 0
    while process.poll() is None:
        most = max(most, sum(pss_of(pid) for pid in family(process.pid)))
        time.sleep(0.02)
    return most


def family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    except OSError:
        return []
    return [pid, *map(int, children)]


def pss_of(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
