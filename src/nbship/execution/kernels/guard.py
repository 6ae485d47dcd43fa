"""Control of processes from outside: memory limit, resource usage, an end with their run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["Guard", "limit_memory", "out_of_memory_kills", "usage"]

_CGROUP = Path("/sys/fs/cgroup")


def limit_memory(pid: int, size: int | None) -> None:
    """Limit the memory of a process that has just started and of its children; Linux only."""
    if size and sys.platform == "linux":
        import resource

        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_DATA, (size, size))


def usage(pid: int) -> tuple[float | None, int | None]:
    """Return CPU time in seconds and peak memory in bytes of a process and its descendants (None: not known)."""
    import psutil  # type: ignore[import-untyped]

    seconds, peaks = 0.0, []
    try:
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            seconds += sum(each.cpu_times()[:4])  # includes children that have ended
            peaks.append(_peak(each.pid))
    except psutil.Error:
        return None, None
    return seconds, max(peaks) or None


def _peak(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


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


class Guard:
    """Kills process groups when this process ends, for whatever reason.

    R's kernel does not notice the end of its parent, and what a killed notebook started does not either; both would
    overwrite the products of the next run.
    """

    # `read` fails when this process, which holds the other end of the pipe, ends: even by SIGKILL.
    _SCRIPT = 'while read -r each; do groups=$each; done; for each in $groups; do kill -s KILL -- "-$each"; done'

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", self._SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process id of the guard."""
        return self._process.pid

    def watch(self, groups: Iterable[int]) -> None:
        """Name the groups to kill, instead of those named before."""
        assert self._process.stdin
        with contextlib.suppress(OSError):
            os.write(self._process.stdin.fileno(), f"{' '.join(map(str, groups))}\n".encode())

    def abandon(self) -> None:
        """In a fork of this process: let go of the guard."""
        assert self._process.stdin
        self._process.stdin.close()

    def close(self) -> None:
        """Leave the process groups alone."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
