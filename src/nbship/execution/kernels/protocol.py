"""The interface of kernels, forked and ordinary."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .outputs import Outputs

__all__ = ["Kernel", "KernelEnded", "KernelReport", "KernelTimeoutError", "Reply", "describe_exit"]


@dataclass(frozen=True)
class Reply:
    """How a cell ended.

    Attributes
    ----------
    status
        "ok" or "error".
    ename, evalue
        The exception's class name and message.
    exited
        Whether the cell asked the kernel to exit, as `exit()` does.
    """

    status: str
    execution_count: int | None = None
    ename: str = ""
    evalue: str = ""
    exited: bool = False


@dataclass(frozen=True)
class KernelReport:
    """A kernel's modules and resource usage (None: not known).

    Attributes
    ----------
    modules
        Files of the loaded modules, by module name.
    reads
        Files of the project that the policy does not allow and the kernel read.
    cpu, peak
        CPU time in seconds and peak memory in bytes.
    """

    modules: Mapping[str, str] | None = None
    reads: Sequence[str] | None = None
    cpu: float | None = None
    peak: int | None = None


class KernelEnded(Exception):  # noqa: N818
    """The kernel's process ended; `status` as in `subprocess`, negative for a signal."""

    def __init__(self, words: str, *, status: int | None = None) -> None:
        super().__init__(words)
        self.status = status


class KernelTimeoutError(Exception):
    """A cell passed its time limit and still runs."""


class Kernel(Protocol):
    """A kernel; not thread-safe."""

    def start(self, *, cwd: Path, env: Mapping[str, str]) -> dict[str, Any]:
        """Start the process, and return `language_info` for the notebook's metadata."""

    def run(self, code: str, *, id: str, outputs: Outputs, until: float | None) -> Reply:
        """Run a cell.

        Raises
        ------
        KernelEnded
            If the process ends.
        KernelTimeoutError
            If the cell still runs at `until` on the monotonic clock.
        """

    def interrupt(self, outputs: Outputs, *, until: float) -> None:
        """Interrupt the running cell, and collect its output; raises the errors of `run`."""

    def end(self) -> KernelReport:
        """Ask the process to exit."""

    def stop(self) -> KernelReport:
        """Kill the process and its children."""

    def close(self) -> None:
        """Release all resources."""


def describe_exit(status: int | None) -> str:
    """Return how a process ended, as a predicate.

    >>> describe_exit(-9), describe_exit(3)
    ('was killed by SIGKILL', 'ended with exit status 3')
    """
    if status is None:
        return "stopped responding"
    return f"ended with exit status {status}" if status >= 0 else f"was killed by {signal.Signals(-status).name}"
