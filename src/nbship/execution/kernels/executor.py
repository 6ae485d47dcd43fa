"""Execute a notebook: cells in, outputs and an account of what happened out.

This is the seam: `execute` says nothing of stages, files or pipelines, and the failure of a cell is
a value, not an exception, so that outputs until then are never lost.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DeadKernelError
from ...pipeline.inspection import is_installed, missing_kernel
from .client import WarmParent, can_fork
from .forked import ForkedKernel
from .oom import out_of_memory_kills
from .outputs import Outputs
from .protocol import Account, Kernel, KernelEnded, KernelTimeoutError

__all__ = ["Executed", "Failure", "Limits", "Listener", "Usage", "execute"]

# Time for a cell to say where it hangs, after it was interrupted.
_GRACE_SECONDS = 3.0


@dataclass(frozen=True)
class Limits:
    """What a notebook may take: seconds for one cell and for all, bytes of memory (None: no limit)."""

    cell: float | None = None
    stage: float | None = None
    memory: int | None = None


def _nothing(*_: Any) -> None:
    pass


@dataclass(frozen=True)
class Listener:
    """What is called while a notebook is executed, in the thread that executes it.

    Attributes
    ----------
    cell
        Before each code cell, with its number, from 1, and the number of code cells.
    done
        After each code cell that ran, with its place among all cells, and the cell with its outputs.
    text
        With `stdout` or `stderr`, and text as it comes.
    """

    cell: Callable[[int, int], None] = _nothing
    done: Callable[[int, Mapping[str, Any]], None] = _nothing
    text: Callable[[str, str], None] = _nothing


@dataclass(frozen=True)
class Failure:
    """Why execution ended early.

    Attributes
    ----------
    kind
        `"error"`: the cell raised; `"died"`: the kernel's process ended; `"timeout"`: the time was up; `"memory"`:
        there was no more memory.
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
        Files of the modules that the notebook loaded, by module name; None where the kernel did not report them.
    notice
        What the user should know about how it was executed; usually empty.
    """

    notebook: dict[str, Any]
    failure: Failure | None
    usage: Usage
    modules: Mapping[str, str] | None = None
    notice: str = ""


def execute(
    notebook: Mapping[str, Any],
    *,
    cwd: Path,
    env: Mapping[str, str],
    limits: Limits = Limits(),
    listener: Listener = Listener(),
    parent: WarmParent | None = None,
    kernel: str | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Executed:
    """Execute a notebook as in a fresh kernel.

    The cells run in a fork of a warm parent; a notebook in another language, or all where the system cannot fork, in an
    ordinary kernel.

    Parameters
    ----------
    notebook
        A notebook of format 4, as JSON holds it; it is not changed.
    cwd
        The kernel's working directory.
    env
        The kernel's whole environment.
    parent
        The warm parent to fork from; None: one for this notebook alone.
    kernel
        Name of the kernelspec to use; None: what the notebook says.
    stopped
        Whether the run was interrupted, so that a kernel that is no fork of `parent` ends.

    Raises
    ------
    DeadKernelError
        If no kernel can be started.
    """
    began = time.monotonic()
    copy: dict[str, Any] = json.loads(json.dumps(notebook))
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="nbship-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        asked, notice = _asked_kernel(copy, kernel)
        used = stack.enter_context(_kernel(asked, folder, limits=limits, env=env, parent=parent, stopped=stopped))
        run = _Run(copy, used, limits, listener)
        failure, account = run(cwd=cwd, env=env)
    usage = Usage(time.monotonic() - began, account.cpu, account.peak)
    return Executed(copy, failure, usage, None if failure else account.modules, notice)


def _asked_kernel(notebook: Mapping[str, Any], name: str | None) -> tuple[str | None, str]:
    """Return the kernelspec to use, None for this interpreter's, and what to tell about the choice."""
    spec = notebook.get("metadata", {}).get("kernelspec", {})
    name = name or spec.get("name") or "python3"
    if name in ("python", "python3"):
        return None, "" if can_fork() else "This system cannot fork, so the notebook ran in an ordinary kernel."
    language = spec.get("language") or "python"
    if is_installed(name):
        notice = f"The notebook asks for the kernel '{name}', so it ran in an ordinary process."
        return name, notice if language == "python" else ""
    if language == "python":
        return None, f"The notebook asks for the kernel '{name}', which is not installed; it ran with this Python."
    raise DeadKernelError(missing_kernel(name, language))


@contextlib.contextmanager
def _kernel(
    name: str | None,
    folder: Path,
    *,
    limits: Limits,
    env: Mapping[str, str],
    parent: WarmParent | None,
    stopped: Callable[[], bool],
) -> Iterator[Kernel]:
    with contextlib.ExitStack() as stack:
        kernel: Kernel
        if name is None and can_fork():
            parent = parent or stack.enter_context(WarmParent.start(env=env))
            kernel = ForkedKernel(parent, folder, memory=limits.memory)
        else:
            from .process import ProcessKernel

            kernel = ProcessKernel(folder, name=name, memory=limits.memory, stopped=stopped)
        stack.callback(kernel.close)
        yield kernel


class _Run:
    def __init__(self, notebook: dict[str, Any], kernel: Kernel, limits: Limits, listener: Listener) -> None:
        self._notebook, self._kernel, self._limits, self._listener = notebook, kernel, limits, listener
        self._cells: list[dict[str, Any]] = notebook["cells"]
        self._outputs = Outputs(self._cells, on_text=listener.text)
        self._until = None if limits.stage is None else time.monotonic() + limits.stage
        self._kills = out_of_memory_kills()

    def __call__(self, *, cwd: Path, env: Mapping[str, str]) -> tuple[Failure | None, Account]:
        for cell in self._cells:
            cell["source"] = "".join(cell["source"])
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
        metadata = self._notebook.setdefault("metadata", {})
        metadata["language_info"] = self._kernel.start(cwd=cwd, env=env)
        failure = self._all_cells()
        account = self._kernel.end() if failure is None or failure.kind == "error" else self._kernel.stop()
        if state := self._outputs.widget_state():
            metadata["widgets"] = state
        return failure, account

    def _all_cells(self) -> Failure | None:
        code = [index for index, cell in enumerate(self._cells) if cell["cell_type"] == "code"]
        for number, index in enumerate(code, start=1):
            self._listener.cell(number, len(code))
            if self._is_run(self._cells[index]):
                failure = self._cell(index)
                self._listener.done(index, self._cells[index])
                if failure:
                    return failure
        return None

    def _is_run(self, cell: Mapping[str, Any]) -> bool:
        return bool(cell["source"].strip()) and "skip-execution" not in _tags(cell)

    def _cell(self, index: int) -> Failure | None:
        cell, count = self._cells[index], None
        self._outputs.begin(index)
        try:
            reply = self._kernel.run(
                cell["source"], id=cell.get("id") or f"cell-{index + 1}", outputs=self._outputs, until=self._deadline()
            )
        except KernelTimeoutError:
            return self._timed_out(index)
        except KernelEnded as error:
            return self._died(index, error)
        else:
            count = reply.execution_count
        finally:
            self._outputs.end(count)
        if reply.status == "ok" or "raises-exception" in _tags(cell):
            return None
        if reply.ename not in ("MemoryError", "_ArrayMemoryError"):
            return Failure("error", index, reply.ename, reply.evalue)
        allowed = f"The memory limit is {self._limits.memory / 1e6:,.0f} MB. " if self._limits.memory else ""
        return Failure("memory", index, reply.ename, f"{allowed}{reply.evalue or 'The kernel ran out of memory.'}")

    def _deadline(self) -> float | None:
        cell = None if self._limits.cell is None else time.monotonic() + self._limits.cell
        return min((each for each in (cell, self._until) if each is not None), default=None)

    def _timed_out(self, index: int) -> Failure:
        """Interrupt the cell, so that its traceback says where it was; the kernel is not used again."""
        with contextlib.suppress(KernelTimeoutError, KernelEnded):
            self._kernel.interrupt(self._outputs, until=time.monotonic() + _GRACE_SECONDS)
        error = self._outputs.take_error()
        stage = self._until is not None and time.monotonic() >= self._until
        limit, what = (self._limits.stage, "notebook") if stage else (self._limits.cell, "cell")
        reason = f"The {what} took longer than {limit:g} s and was stopped."
        return self._marked("timeout", index, "TimeoutError", reason, trace=error["traceback"] if error else ())

    def _died(self, index: int, error: KernelEnded) -> Failure:
        if out_of_memory_kills() > self._kills:
            return self._marked(
                "memory", index, "MemoryError", "The machine's memory ran out, and the kernel was killed."
            )
        hint = " (memory may have run out)" if error.status == -9 else ""
        return self._marked("died", index, "DeadKernelError", f"The kernel's process {error}{hint}.")

    def _marked(self, kind: str, index: int, ename: str, evalue: str, *, trace: Any = ()) -> Failure:
        self._outputs.mark(ename=ename, evalue=evalue, traceback=trace)
        return Failure(kind, index, ename, evalue)


def _tags(cell: Mapping[str, Any]) -> Any:
    return cell.get("metadata", {}).get("tags") or ()
