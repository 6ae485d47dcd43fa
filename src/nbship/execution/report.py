"""What a stage's process tells the run that started it, through files in a folder."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..notebook.results import write_whole

__all__ = ["StageReport", "describe", "read_progress", "read_report", "write_progress", "write_report"]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class StageReport:
    """How one stage's run ended.

    Attributes
    ----------
    error
        Class name of the error that ended the run; empty if it went well.
    message
        The error's message.
    cell
        Number of the code cell that failed, as in `In [3]`; None if no cell did.
    source, traceback
        The failing cell's source, and the traceback with terminal colours.
    notebook
        The executed notebook, or where the partial one was left, relative to the root.
    """

    stage: str
    seconds: float
    cells: int = 0
    peak_memory: int | None = None
    error: str = ""
    message: str = ""
    cell: int | None = None
    ename: str = ""
    evalue: str = ""
    source: str = ""
    traceback: Sequence[str] = ()
    notebook: str = ""


def write_report(folder: Path, report: StageReport) -> None:
    """Leave a stage's report in the folder that the run named."""
    write_whole(folder / f"{report.stage}.json", json.dumps(asdict(report)))


def read_report(folder: Path, stage: str) -> StageReport | None:
    """Return a stage's report, if it left one."""
    path = folder / f"{stage}.json"
    return StageReport(**json.loads(path.read_text())) if path.is_file() else None


def write_progress(folder: Path, stage: str, *, cell: int, cells: int) -> None:
    """Say which cell a stage is at."""
    write_whole(folder / f"{stage}.progress", json.dumps({"cell": cell, "cells": cells}))


def read_progress(folder: Path, stage: str) -> Mapping[str, int]:
    """Return which `cell` of how many `cells` a stage is at; empty before the first."""
    path = folder / f"{stage}.progress"
    found: Mapping[str, int] = json.loads(path.read_text()) if path.is_file() else {}
    return found


def describe(report: StageReport, *, colour: bool) -> str:
    """Return the failing cell, its traceback and where the partial notebook is, as text for a terminal."""
    parts = []
    if report.source:
        where = f"In [{report.cell}]" if report.cell is not None else "The cell"
        parts.append(f"{where}:\n" + "\n".join(f"    {line}" for line in report.source.splitlines()))
    if report.traceback:
        trace = "\n".join(report.traceback)
        parts.append(trace if colour else _COLOUR.sub("", trace))
    if report.error and report.notebook:
        parts.append(f"The notebook with the outputs until then: {report.notebook}")
    return "\n\n".join(parts)
