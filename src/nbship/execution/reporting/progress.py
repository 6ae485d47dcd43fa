"""Show a run as it goes: one line a stage, and on a terminal a line that lives."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TextIO

from .report import StageReport

__all__ = ["LiveProgress", "PlainProgress", "Progress", "choose_progress"]


class Progress(Protocol):
    """What a run tells while it goes; several stages may run at a time, each in its thread."""

    def begin(self, stages: Sequence[str]) -> None:
        """The stages are known."""

    def started(self, stage: str) -> None:
        """A stage's notebook begins."""

    def at(self, stage: str, *, cell: int, cells: int) -> None:
        """A stage is at a cell."""

    def finished(self, report: StageReport) -> None:
        """A stage's notebook ended, well or not."""

    def current(self, stage: str) -> None:
        """A stage has nothing to do."""

    def restored(self, stage: str) -> None:
        """A stage's products came from an earlier run."""

    def note(self, text: str) -> None:
        """Something else to say."""

    def close(self) -> None:
        """Nothing more comes."""


class PlainProgress:
    """Lines for logs: one when a stage starts, one when it ends."""

    def __init__(self, *, file: TextIO | None = None) -> None:
        self._width = 0
        self._file = file

    def begin(self, stages: Sequence[str]) -> None:
        self._width = max(map(len, stages), default=0)

    def started(self, stage: str) -> None:
        self.note(f"{stage:{self._width}}  started")

    def at(self, stage: str, *, cell: int, cells: int) -> None:
        pass

    def finished(self, report: StageReport) -> None:
        self.note(ending(report, width=self._width))

    def current(self, stage: str) -> None:
        pass

    def restored(self, stage: str) -> None:
        self.note(f"{stage:{self._width}}  restored from an earlier run")

    def note(self, text: str) -> None:
        print(text, file=self._file or sys.stdout, flush=True)

    def close(self) -> None:
        pass


class LiveProgress(PlainProgress):
    """The same for a terminal: each stage that runs has a line with a clock and its cell, and all have a last one."""

    def __init__(self, *, console: Any = None) -> None:
        from rich.console import Console

        super().__init__()
        self._console = console or Console(highlight=False)
        self._lock = threading.RLock()
        self._live: Any = None
        self._running: dict[str, _Running] = {}
        self._waiting: set[str] = set()
        self._all = 0

    def begin(self, stages: Sequence[str]) -> None:
        from rich.live import Live
        from rich.text import Text

        super().begin(stages)
        self._all, self._waiting = len(stages), set(stages)
        self._live = Live(
            get_renderable=lambda: Text(self.lines()), console=self._console, transient=True, refresh_per_second=4
        )
        self._live.start()

    def started(self, stage: str) -> None:
        with self._lock:
            self._waiting.discard(stage)
            self._running[stage] = _Running(time.monotonic())

    def at(self, stage: str, *, cell: int, cells: int) -> None:
        with self._lock:
            if stage in self._running:
                self._running[stage] = replace(self._running[stage], cell=cell, cells=cells)

    def finished(self, report: StageReport) -> None:
        self._ended(report.stage)
        super().finished(report)

    def current(self, stage: str) -> None:
        self._ended(stage)

    def restored(self, stage: str) -> None:
        self._ended(stage)
        super().restored(stage)

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def close(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def _ended(self, stage: str) -> None:
        with self._lock:
            self._waiting.discard(stage)
            self._running.pop(stage, None)
        if self._live:
            self._live.refresh()

    def lines(self) -> str:
        """Return what lives at the bottom of the terminal: the stages that run, and counts."""
        with self._lock:
            running = dict(self._running)
            done = self._all - len(self._waiting) - len(running)
            counts = f"{done} of {self._all} done, {len(running)} running, {len(self._waiting)} waiting"
        now = time.monotonic()
        return "\n".join([*(at.line(name, now, self._width) for name, at in running.items()), counts])


@dataclass(frozen=True)
class _Running:
    began: float
    cell: int = 0
    cells: int = 0

    def line(self, name: str, now: float, width: int) -> str:
        where = f"cell {self.cell} of {self.cells}" if self.cells else "starting"
        return f"{name:{width}}  {now - self.began:5.0f} s  {where}"


def choose_progress() -> Progress:
    """Choose by what standard output is: a terminal, or a file or pipe."""
    return LiveProgress() if sys.stdout.isatty() else PlainProgress()


def ending(report: StageReport, *, width: int = 0) -> str:
    """Return the line that says how a stage ended.

    >>> ending(StageReport(stage="train", seconds=12.34, cells=9, peak_memory=512_000_000))
    'train     12.3 s  9 cells, 512 MB'
    """
    head = f"{report.stage:{width}}  {report.seconds:7.1f} s"
    if report.error:
        return f"{head}  {'rejected by the gate' if report.error == 'GateError' else 'FAILED'}"
    memory = f", {report.peak_memory / 1e6:.0f} MB" if report.peak_memory else ""
    return f"{head}  {report.cells} cells{memory}"
