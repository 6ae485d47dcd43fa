"""The execution of a notebook: its limits, the functions it calls, and its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Callbacks", "Executed", "Failure", "Limits", "Usage"]


@dataclass(frozen=True)
class Limits:
    """Limits of a notebook: seconds for one cell and for the stage, bytes of memory (None: no limit)."""

    cell: float | None = None
    stage: float | None = None
    memory: int | None = None


def _ignore(*_: Any) -> None:
    pass


@dataclass(frozen=True)
class Callbacks:
    """Functions called during an execution, in the thread that executes the notebook.

    Attributes
    ----------
    cell_started
        Called before each code cell, with its number, from 1, and the number of code cells.
    cell_ended
        Called after each code cell that ran, with its index among all cells, and the cell with its outputs.
    printed
        Called with `stdout` or `stderr`, and text as it arrives.
    output_arrived
        Called when the running cell has new output, with its index among all cells, and a function that returns its
        outputs until now.
    """

    cell_started: Callable[[int, int], None] = _ignore
    cell_ended: Callable[[int, Mapping[str, Any]], None] = _ignore
    printed: Callable[[str, str], None] = _ignore
    output_arrived: Callable[[int, Callable[[], Sequence[Mapping[str, Any]]]], None] = _ignore


@dataclass(frozen=True)
class Failure:
    """Why execution ended early.

    Attributes
    ----------
    kind
        `"error"`: the cell raised; `"died"`: the kernel's process ended; `"timeout"`: a time limit passed;
        `"memory"`: memory ran out.
    cell
        Index of the cell among all cells of the notebook.
    ename, evalue
        The exception's class name and message. The cell's last output is this error, with its traceback.
    """

    kind: str
    cell: int
    ename: str
    evalue: str


@dataclass(frozen=True)
class Usage:
    """Wall time and CPU time in seconds, and peak memory in bytes (None: not known)."""

    wall: float
    cpu: float | None = None
    peak: int | None = None


@dataclass(frozen=True)
class Executed:
    """An executed notebook.

    Attributes
    ----------
    notebook
        The notebook with its outputs, including those before a failure.
    failure
        None if every cell ran, or if one ended the notebook.
    ended_by
        Index of the cell that ended the notebook without an error, by `sys.exit(0)` or `exit()`; later cells did not
        run.
    modules
        Files of the modules that the notebook loaded, by module name; None where the kernel did not report them.
    reads
        Files of the project that the notebook read and `policy` does not allow; None where the kernel did not report
        them.
    notice
        A remark for the user about the choice of kernel, or about cells that did not run; usually empty.
    """

    notebook: dict[str, Any]
    failure: Failure | None
    usage: Usage
    modules: Mapping[str, str] | None = None
    reads: Sequence[str] | None = None
    notice: str = ""
    ended_by: int | None = None
