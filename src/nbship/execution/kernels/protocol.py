"""What a notebook is executed by: one interface, whether it is a fork of the warm parent or a process of its own."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .outputs import Outputs

__all__ = ["Account", "Kernel", "KernelEnded", "KernelTimeoutError", "Reply", "ending_in_words"]


@dataclass(frozen=True)
class Reply:
    """How a cell ended: `status` is "ok" or "error", and then `ename` and `evalue` are the exception's."""

    status: str
    execution_count: int | None = None
    ename: str = ""
    evalue: str = ""


@dataclass(frozen=True)
class Account:
    """What a kernel loaded and used: files of modules by name, seconds on the CPU, most memory in bytes (None: not known)."""

    modules: Mapping[str, str] | None = None
    cpu: float | None = None
    peak: int | None = None


class KernelEnded(Exception):  # noqa: N818
    """The kernel's process ended by itself; `status` as `subprocess` gives it."""

    def __init__(self, words: str, *, status: int | None = None) -> None:
        super().__init__(words)
        self.status = status


class KernelTimeoutError(Exception):
    """A cell was not done in time; it still runs."""


class Kernel(Protocol):
    """A kernel, to be used by one thread."""

    def start(self, *, cwd: Path, env: Mapping[str, str]) -> dict[str, Any]:
        """Start it, and return what a notebook's metadata say about its language."""

    def run(self, code: str, *, id: str, outputs: Outputs, until: float | None) -> Reply:
        """Run a cell.

        Raises
        ------
        KernelEnded
            If the process ends.
        KernelTimeoutError
            If the cell is not done at `until` on the monotonic clock.
        """

    def interrupt(self, outputs: Outputs, *, until: float) -> None:
        """Interrupt the cell that runs, and take in what it says; raises as `run` does."""

    def end(self) -> Account:
        """Let it end by itself."""

    def stop(self) -> Account:
        """Kill it and all that it started."""

    def close(self) -> None:
        """Let go of everything."""


def ending_in_words(status: int | None) -> str:
    """Say how a process ended.

    >>> ending_in_words(-9), ending_in_words(3)
    ('was killed by SIGKILL', 'ended with exit status 3')
    """
    if status is None:
        return "stopped answering"
    return f"ended with exit status {status}" if status >= 0 else f"was killed by {signal.Signals(-status).name}"
