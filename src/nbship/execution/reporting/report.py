"""How a stage's run ended, and what a person should see of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["StageReport", "describe"]

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
    notice
        What the user should know about how it was executed.
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
    notice: str = ""


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
        parts.append(f"The notebook with its outputs so far: {report.notebook}")
    return "\n\n".join(parts)
