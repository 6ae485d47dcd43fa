"""Execute a notebook: cells in, outputs and an account of what happened out.

This is the seam: `execute` says nothing of stages, files or pipelines, and the failure of a cell is
a value, not an exception, so that outputs until then are never lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

from .kernels import Kernel

__all__ = ["Executed", "Failure", "Usage", "execute"]


@dataclass(frozen=True)
class Failure:
    """Why execution ended early.

    Attributes
    ----------
    kind
        `"error"`: the cell raised; `"died"`: the kernel's process ended; `"timeout"`: the cell took too long.
    cell
        Place of the cell among all cells of the notebook.
    ename, evalue
        The exception's class name and message. The cell's last output is that error, with its traceback.
    """

    kind: str
    cell: int
    ename: str
    evalue: str


@dataclass(frozen=True)
class Usage:
    """What an execution took: seconds by the wall and on the CPU, and the most memory in bytes (None: not known)."""

    wall: float
    cpu: float | None = None
    peak: int | None = None


@dataclass(frozen=True)
class Executed:
    """An executed notebook.

    Attributes
    ----------
    notebook
        The notebook with outputs, those before a failure included.
    failure
        None if every cell ran.
    modules
        Files of the modules that were loaded at the end, by module name; empty after a failure.
    """

    notebook: dict[str, Any]
    failure: Failure | None
    usage: Usage
    modules: Mapping[str, str] = field(default_factory=dict)


def execute(
    notebook: dict[str, Any],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float | None = None,
    on_cell: Callable[[int, int], None] | None = None,
) -> Executed:
    """Execute a notebook in a fresh kernel of this interpreter.

    Parameters
    ----------
    notebook
        A notebook of format 4, as JSON holds it; it is not changed.
    cwd
        The kernel's working directory.
    env
        The kernel's whole environment.
    timeout
        Seconds that one cell may take; None: no limit.
    on_cell
        Called before each code cell with its number, from 1, and the number of code cells.
    """
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="nbship-"))
    try:
        run = _Run(notebook, folder=folder, timeout=timeout, on_cell=on_cell)
        failure, found = asyncio.run(run.all_cells(cwd=cwd, env=env))
        usage = Usage(time.monotonic() - began, found.get("cpu"), found.get("peak"))
        return Executed(run.executed(), failure, usage, found.get("modules", {}))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Run:
    def __init__(
        self,
        notebook: dict[str, Any],
        *,
        folder: Path,
        timeout: float | None,
        on_cell: Callable[[int, int], None] | None,
    ) -> None:
        import nbformat
        from nbclient import NotebookClient

        self._timeout = timeout
        self._on_cell = on_cell
        self._kernel = Kernel(folder)
        node = nbformat.from_dict(notebook)  # type: ignore[no-untyped-call]
        for cell in node.cells:
            cell.source = "".join(cell.source)
        self._client: Any = NotebookClient(
            node,
            km=self._kernel.manager,
            timeout=timeout and max(1, round(timeout)),
            record_timing=False,
            coalesce_streams=True,
        )

    async def all_cells(self, *, cwd: Path, env: Mapping[str, str]) -> tuple[Failure | None, dict[str, Any]]:
        try:
            await self._kernel.start(cwd=cwd, env=env)
            self._client.kc = self._kernel.client
            self._client.nb.metadata["language_info"] = await self._kernel.language()
            failure = await self._cells()
            found = {} if failure and failure.kind != "error" else await self._kernel.account()
            return failure, found if failure is None else {**found, "modules": {}}
        finally:
            await self._kernel.stop()

    async def _cells(self) -> Failure | None:
        cells = self._client.nb.cells
        code = [index for index, cell in enumerate(cells) if cell.cell_type == "code"]
        for number, index in enumerate(code, start=1):
            if self._on_cell:
                self._on_cell(number, len(code))
            failure = await self._cell(index)
            if failure:
                return failure
        return None

    async def _cell(self, index: int) -> Failure | None:
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

        cell = self._client.nb.cells[index]
        try:
            await self._client.async_execute_cell(cell, index)
        except CellExecutionError as error:
            return Failure("error", index, error.ename, error.evalue)
        except CellTimeoutError:
            reason = f"The cell took longer than {self._timeout:g} s and was stopped."
            failure = Failure("timeout", index, "TimeoutError", reason)
        except DeadKernelError:
            failure = Failure("died", index, "DeadKernelError", f"The kernel's process {await self._kernel.ending()}.")
        else:
            return None
        await self._drain(index)
        _mark(cell, failure)
        return failure

    async def _drain(self, index: int) -> None:
        """Take in what the kernel had sent before it stopped."""
        from nbclient.exceptions import CellExecutionComplete

        cell = self._client.nb.cells[index]
        with contextlib.suppress(Empty, CellExecutionComplete):
            while True:
                message = await self._kernel.client.iopub_channel.get_msg(timeout=0.3)
                self._client.process_message(message, cell, index)

    def executed(self) -> dict[str, Any]:
        """Return the notebook as plain JSON types."""
        plain: dict[str, Any] = json.loads(json.dumps(self._client.nb))
        return plain


def _mark(cell: Any, failure: Failure) -> None:
    from nbformat import NotebookNode

    trace = [f"{failure.ename}: {failure.evalue}"]
    marker = {"output_type": "error", "ename": failure.ename, "evalue": failure.evalue, "traceback": trace}
    cell.outputs.append(NotebookNode(marker))  # type: ignore[no-untyped-call]
