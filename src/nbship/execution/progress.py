"""Show a run as it goes: one line a stage, and on a terminal a line that lives."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol, TextIO

from .report import StageReport

__all__ = ["LiveProgress", "PlainProgress", "Progress", "choose_progress"]


class Progress(Protocol):
    """What a run tells while it goes."""

    def started(self, stage: str) -> None:
        """A stage's notebook begins."""

    def at(self, stage: str, *, cell: int, cells: int) -> None:
        """A stage is at a cell; called again and again while it runs."""

    def finished(self, report: StageReport) -> None:
        """A stage's notebook ended, well or not."""

    def skipped(self, stage: str, reason: str) -> None:
        """A stage does not run, for a reason such as "up to date"."""

    def note(self, text: str) -> None:
        """Something else to say."""

    def close(self) -> None:
        """Nothing more comes."""


class PlainProgress:
    """Lines for logs: one when a stage starts, one when it ends."""

    def __init__(self, stages: list[str], *, file: TextIO | None = None) -> None:
        self._width = max((len(stage) for stage in stages), default=0)
        self._file = file

    def started(self, stage: str) -> None:
        self.note(f"{stage:{self._width}}  started")

    def at(self, stage: str, *, cell: int, cells: int) -> None:
        pass

    def finished(self, report: StageReport) -> None:
        self.note(ending(report, width=self._width))

    def skipped(self, stage: str, reason: str) -> None:
        self.note(f"{stage:{self._width}}  {reason}")

    def note(self, text: str) -> None:
        print(text, file=self._file or sys.stdout, flush=True)

    def close(self) -> None:
        pass


class LiveProgress(PlainProgress):
    """The same for a terminal: a stage that runs has one line with a clock and its cell."""

    def __init__(self, stages: list[str]) -> None:
        from rich.console import Console

        super().__init__(stages)
        self._console = Console(highlight=False)
        self._status: Any = None
        self._began = 0.0

    def started(self, stage: str) -> None:
        self.close()
        self._began = time.monotonic()
        self._status = self._console.status(f"{stage:{self._width}}")
        self._status.start()

    def at(self, stage: str, *, cell: int, cells: int) -> None:
        if self._status:
            where = f"cell {cell} of {cells}" if cells else "starting"
            self._status.update(f"{stage:{self._width}}  {time.monotonic() - self._began:5.0f} s  {where}")

    def finished(self, report: StageReport) -> None:
        self.close()
        super().finished(report)

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def close(self) -> None:
        if self._status:
            self._status.stop()
            self._status = None


def choose_progress(stages: list[str]) -> Progress:
    """Choose by what standard output is: a terminal, or a file or pipe."""
    return LiveProgress(stages) if sys.stdout.isatty() else PlainProgress(stages)


def ending(report: StageReport, *, width: int = 0) -> str:
    """Return the line that says how a stage ended.

    >>> ending(StageReport(stage="train", seconds=12.34, cells=9, peak_memory=512_000_000))
    'train     12.3 s  9 cells, 512 MB'
    """
    head = f"{report.stage:{width}}  {report.seconds:7.1f} s"
    if report.error:
        return f"{head}  {'the gate said no' if report.error == 'GateError' else 'FAILED'}"
    memory = f", {report.peak_memory / 1e6:.0f} MB" if report.peak_memory else ""
    return f"{head}  {report.cells} cells{memory}"
