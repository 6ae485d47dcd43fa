"""Control of an ordinary kernel's process from outside: memory limit, resource usage, an end with its run."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

__all__ = ["Guard", "limit_memory", "usage"]


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


class Guard:
    """Kills a process group when this process ends, for whatever reason.

    R's kernel does not notice the end of its parent, and would overwrite the products of the next run.
    """

    def __init__(self, group: int) -> None:
        # `read` returns when this process, which holds the other end of the pipe, ends: even by SIGKILL.
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", f"read -r _; kill -s KILL -- -{group}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def close(self) -> None:
        """Leave the process group alone."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
