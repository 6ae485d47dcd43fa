"""A kernel's process, held from outside: its memory limit, what it used, and an end with the run that started it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

__all__ = ["Guard", "limit_memory", "usage"]


def limit_memory(pid: int, size: int | None) -> None:
    """Limit the memory of a process that has just started, and of all that it starts; only Linux can."""
    if size and sys.platform == "linux":
        import resource

        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_DATA, (size, size))


def usage(pid: int) -> tuple[float | None, int | None]:
    """Return the seconds on the CPU and the most memory in bytes of a process and those below it (None: not known)."""
    import psutil  # type: ignore[import-untyped]

    seconds, peaks = 0.0, []
    try:
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            seconds += sum(each.cpu_times()[:4])  # with those of its children that have ended
            peaks.append(_peak(each.pid))
    except psutil.Error:
        return None, None
    return seconds, max(peaks) or None


def _peak(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


class Guard:
    """Kills a process group when this process has ended, however it did.

    A kernel in R does not notice that its parent is gone, and would write its products into those of the next run.
    """

    def __init__(self, group: int) -> None:
        # The shell reads the end of the file when this process, which holds the other end of the pipe, is gone.
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
