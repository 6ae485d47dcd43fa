"""The report of a stage's run, and its description for a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...text import listed

__all__ = ["StageReport", "describe"]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class StageReport:
    """How one stage's run ended.

    Attributes
    ----------
    error
        Class name of the error that ended the run; empty after success.
    message
        The error's message.
    cell
        Number of the failed code cell, as in `In [3]`; None if no cell failed.
    source, traceback
        The failing cell's source, and the traceback with terminal colours.
    notebook
        Path of the executed or partial notebook, relative to the root.
    notice
        A remark for the user about the choice of kernel.
    kept
        Paths of the last run's products, which stay after the gate rejected new ones.
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
    kept: Sequence[str] = ()


def describe(report: StageReport, *, colour: bool) -> str:
    """Return the failed cell, its traceback and the path of the partial notebook, as text for a terminal.

    The gate's rejection is a verdict, so it has no traceback.
    """
    parts = []
    if report.error == "GateError":
        if report.kept:
            parts.append(f"The products of the last accepted run stay: {listed(report.kept, most=5)}")
    elif report.source:
        where = f"In [{report.cell}]" if report.cell is not None else "The cell"
        parts.append(f"{where}:\n" + "\n".join(f"    {line}" for line in report.source.splitlines()))
    if report.traceback and report.error != "GateError":
        trace = "\n".join(report.traceback)
        parts.append(trace if colour else _COLOUR.sub("", trace))
    if report.error and report.notebook:
        parts.append(f"The notebook with its outputs so far: {report.notebook}")
    return "\n\n".join(parts)
