"""Count the processes that the system killed because memory ran out."""

from __future__ import annotations

import contextlib
from pathlib import Path

__all__ = ["out_of_memory_kills"]

_CGROUP = Path("/sys/fs/cgroup")


def out_of_memory_kills() -> int:
    """Return the number of processes in this control group killed by the out-of-memory killer; 0 if not counted.

    Control groups of version 2 hold a line `oom_kill 3` in `memory.events`; those of version 1 hold it in
    `memory/memory.oom_control`.
    """
    for name in ("memory.events", "memory/memory.oom_control"):
        with contextlib.suppress(OSError, ValueError):
            for line in (_CGROUP / name).read_text(encoding="utf-8").splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    return 0
