"""Show the progress of a run: lines for a log, and a live display on a terminal."""

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
    """Receives the events of a run; stages run in several threads."""

    def begin(self, stages: Sequence[str]) -> None:
        """Start, with the names of the stages."""

    def started(self, stage: str) -> None:
        """Report that a stage's notebook starts."""

    def cell_started(self, stage: str, *, cell: int, cells: int) -> None:
        """Report that a cell starts, by its number and the number of cells."""

    def finished(self, report: StageReport) -> None:
        """Report that a stage's notebook ended, successfully or not."""

    def up_to_date(self, stage: str) -> None:
        """Report that a stage is up to date."""

    def restored(self, stage: str) -> None:
        """Report that a stage's products were restored from an earlier run."""

    def note(self, text: str) -> None:
        """Show a remark."""

    def close(self) -> None:
        """End the display."""


class PlainProgress:
    """Lines for logs: one at the start of each stage and one at its end."""

    def __init__(self, *, file: TextIO | None = None) -> None:
        self._width = 0
        self._file = file

    def begin(self, stages: Sequence[str]) -> None:
        self._width = max(map(len, stages), default=0)

    def started(self, stage: str) -> None:
        self.note(f"{stage:{self._width}}  started")

    def cell_started(self, stage: str, *, cell: int, cells: int) -> None:
        pass

    def finished(self, report: StageReport) -> None:
        self.note(stage_line(report, width=self._width))

    def up_to_date(self, stage: str) -> None:
        pass

    def restored(self, stage: str) -> None:
        self.note(f"{stage:{self._width}}  restored from an earlier run")

    def note(self, text: str) -> None:
        print(text, file=self._file or sys.stdout, flush=True)

    def close(self) -> None:
        pass


class LiveProgress(PlainProgress):
    """A live display for terminals: a line with time and cell for each running stage, and a line of counts."""

    def __init__(self, *, console: Any = None) -> None:
        from rich.console import Console

        super().__init__()
        self._console = console or Console(highlight=False)
        self._lock = threading.RLock()
        self._live: Any = None
        self._running: dict[str, _Running] = {}
        self._waiting: set[str] = set()
        self._total = 0

    def begin(self, stages: Sequence[str]) -> None:
        from rich.live import Live
        from rich.text import Text

        super().begin(stages)
        self._total, self._waiting = len(stages), set(stages)
        self._live = Live(
            get_renderable=lambda: Text(self.lines()), console=self._console, transient=True, refresh_per_second=4
        )
        self._live.start()

    def started(self, stage: str) -> None:
        with self._lock:
            self._waiting.discard(stage)
            self._running[stage] = _Running(time.monotonic())

    def cell_started(self, stage: str, *, cell: int, cells: int) -> None:
        with self._lock:
            if stage in self._running:
                self._running[stage] = replace(self._running[stage], cell=cell, cells=cells)

    def finished(self, report: StageReport) -> None:
        self._ended(report.stage)
        super().finished(report)

    def up_to_date(self, stage: str) -> None:
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
        """Return the live lines at the bottom of the terminal: the running stages, and counts."""
        with self._lock:
            running = dict(self._running)
            done = self._total - len(self._waiting) - len(running)
            counts = f"{done} of {self._total} done, {len(running)} running, {len(self._waiting)} waiting"
        now = time.monotonic()
        return "\n".join([*(stage.line(name, now, self._width) for name, stage in running.items()), counts])


@dataclass(frozen=True)
class _Running:
    started: float
    cell: int = 0
    cells: int = 0

    def line(self, name: str, now: float, width: int) -> str:
        where = f"cell {self.cell} of {self.cells}" if self.cells else "starting"
        return f"{name:{width}}  {now - self.started:5.0f} s  {where}"


def choose_progress() -> Progress:
    """Return the live display if standard output is a terminal, otherwise plain lines."""
    return LiveProgress() if sys.stdout.isatty() else PlainProgress()


def stage_line(report: StageReport, *, width: int = 0) -> str:
    """Return the line for a stage that ended.

    >>> stage_line(StageReport(stage="train", seconds=12.34, cells=9, peak_memory=512_000_000))
    'train     12.3 s  9 cells, 512 MB'
    """
    head = f"{report.stage:{width}}  {report.seconds:7.1f} s"
    if report.error:
        return f"{head}  {'rejected by the gate' if report.error == 'GateError' else 'FAILED'}"
    memory = f", {report.peak_memory / 1e6:.0f} MB" if report.peak_memory else ""
    return f"{head}  {report.cells} cells{memory}"
