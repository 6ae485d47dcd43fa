"""Execute a notebook: cells in, outputs and an account of what happened out.

This is the seam: `execute` says nothing of stages, files or pipelines, and the failure of a cell is
a value, not an exception, so that outputs until then are never lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

__all__ = ["Executed", "Failure", "Usage", "execute"]

# Runs in the kernel after the last cell, in a namespace of its own, and is not recorded in the notebook.
_PROBE = """
import json, os, resource, sys
loaded = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
found = {
    "modules": {name: file for name, file in loaded.items() if isinstance(name, str) and isinstance(file, str)},
    "cpu": own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
    "peak": max(own.ru_maxrss, children.ru_maxrss),
}
with open(PATH, "w") as file:
    json.dump(found, file)
"""


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
        The exception's class name and message.
    traceback
        Lines as the kernel sent them, with terminal colours.
    """

    kind: str
    cell: int
    ename: str
    evalue: str
    traceback: tuple[str, ...] = ()


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
        usage = Usage(time.monotonic() - began, found.get("cpu"), _bytes(found.get("peak")))
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

        self._folder = folder
        self._timeout = timeout
        self._on_cell = on_cell
        node = nbformat.from_dict(notebook)
        for cell in node.cells:
            cell.source = "".join(cell.source) if isinstance(cell.source, list) else cell.source
        self._client = NotebookClient(
            node,
            km=_kernel_manager(folder),
            timeout=timeout and max(1, round(timeout)),
            record_timing=False,
            coalesce_streams=True,
            allow_errors=False,
        )

    async def all_cells(self, *, cwd: Path, env: Mapping[str, str]) -> tuple[Failure | None, dict[str, Any]]:
        client = self._client
        group = None
        try:
            await client.km.start_kernel(cwd=str(cwd), env={**env, **_private_settings(self._folder)})
            group = client.km.provisioner.pgid
            client.kc = client.km.client()
            client.kc.start_channels()
            await client.kc.wait_for_ready(timeout=120)
            client.kc.allow_stdin = False
            failure = await self._cells()
            found = {} if failure and failure.kind != "error" else await self._probe()
            return failure, found if failure is None else {**found, "modules": {}}
        finally:
            await self._stop(group)

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
            last = next((out for out in reversed(cell.outputs) if out.output_type == "error"), None)
            lines = tuple(last.traceback) if last else tuple(str(error.traceback).splitlines())
            return Failure("error", index, error.ename, error.evalue, lines)
        except CellTimeoutError:
            reason = f"The cell took longer than {self._timeout:g} s and was stopped."
            failure = Failure("timeout", index, "TimeoutError", reason, (f"TimeoutError: {reason}",))
        except DeadKernelError:
            reason = f"The kernel's process {await self._ending()}."
            failure = Failure("died", index, "DeadKernelError", reason, (f"DeadKernelError: {reason}",))
        else:
            return None
        await self._drain(index)
        _mark(cell, failure)
        return failure

    async def _ending(self) -> str:
        status = await self._client.km.provisioner.poll()
        if status is None:
            return "stopped answering"
        if status >= 0:
            return f"ended with exit status {status}"
        name = signal.Signals(-status).name
        return f"was killed by {name}" + (" (memory may have run out)" if name == "SIGKILL" else "")

    async def _drain(self, index: int) -> None:
        """Take in what the kernel had sent before it stopped."""
        from nbclient.exceptions import CellExecutionComplete

        cell = self._client.nb.cells[index]
        with contextlib.suppress(Empty, CellExecutionComplete):
            while True:
                self._client.process_message(await self._client.kc.iopub_channel.get_msg(timeout=0.3), cell, index)

    async def _probe(self) -> dict[str, Any]:
        path = self._folder / "probe.json"
        code = f"__import__('builtins').exec({_PROBE!r}, {{'PATH': {str(path)!r}}})"
        message = self._client.kc.execute(code, silent=True, store_history=False)
        await self._client.async_wait_for_reply(message)
        found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
        return found

    async def _stop(self, group: int | None) -> None:
        client = self._client
        if client.kc is not None:
            client.kc.stop_channels()
        if client.km.has_kernel:
            with contextlib.suppress(RuntimeError, ProcessLookupError):
                await client.km.shutdown_kernel(now=True)
        if group:  # what the kernel started must not outlive it
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)

    def executed(self) -> dict[str, Any]:
        """Return the notebook as plain JSON types."""
        plain: dict[str, Any] = json.loads(json.dumps(self._client.nb))
        return plain


def _kernel_manager(folder: Path) -> Any:
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager

    # No installed kernel is asked: the native one is this interpreter's ipykernel.
    specs = KernelSpecManager()
    specs.kernel_dirs = []
    manager = AsyncKernelManager(
        kernel_name="python3", kernel_spec_manager=specs, connection_file=str(folder / "kernel.json")
    )
    if sys.platform != "win32" and len(str(folder)) < 80:  # a socket's path has room for about 100 characters
        manager.transport = "ipc"
        manager.ip = str(folder / "s")
    return manager


def _private_settings(folder: Path) -> dict[str, str]:
    """Point IPython and matplotlib away from what the user has set in the home folder."""
    style = folder / "matplotlibrc"
    style.write_text("svg.hashsalt: nbship\n")
    return {"IPYTHONDIR": str(folder / "ipython"), "MATPLOTLIBRC": str(style)}


def _mark(cell: Any, failure: Failure) -> None:
    import nbformat

    cell.outputs.append(
        nbformat.v4.new_output("error", ename=failure.ename, evalue=failure.evalue, traceback=list(failure.traceback))
    )


def _bytes(peak: int | None) -> int | None:
    if peak is None:
        return None
    return peak if sys.platform == "darwin" else peak * 1024
