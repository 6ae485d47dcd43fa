"""Execute a notebook: cells in, outputs and a report out.

This is the seam: `execute` knows no stages, files or pipelines. A failed cell is a value, not an exception, so
earlier outputs are never lost.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DeadKernelError
from ...pipeline.inspection import is_installed, missing_kernel
from ..reads import ReadPolicy
from .client import ForkServer, can_fork
from .forked import ForkedKernel
from .oom import out_of_memory_kills
from .outputs import Outputs
from .protocol import Kernel, KernelEnded, KernelReport, KernelTimeoutError

__all__ = ["Callbacks", "Executed", "Failure", "Limits", "Usage", "execute"]

# Time for an interrupted cell to report its traceback.
_GRACE_SECONDS = 3.0


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
    """

    cell_started: Callable[[int, int], None] = _ignore
    cell_ended: Callable[[int, Mapping[str, Any]], None] = _ignore
    printed: Callable[[str, str], None] = _ignore


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
        None if every cell ran.
    modules
        Files of the modules that the notebook loaded, by module name; None where the kernel did not report them.
    reads
        Files of the project that the notebook read and `policy` does not allow; None where the kernel did not report
        them.
    notice
        A remark for the user about the choice of kernel; usually empty.
    """

    notebook: dict[str, Any]
    failure: Failure | None
    usage: Usage
    modules: Mapping[str, str] | None = None
    reads: Sequence[str] | None = None
    notice: str = ""


def execute(
    notebook: Mapping[str, Any],
    *,
    cwd: Path,
    env: Mapping[str, str],
    limits: Limits = Limits(),
    callbacks: Callbacks = Callbacks(),
    fork_server: ForkServer | None = None,
    kernel: str | None = None,
    policy: ReadPolicy | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Executed:
    """Execute a notebook as in a fresh kernel.

    The cells run in a fork of a fork server. Notebooks in other languages run in an ordinary kernel, and so do all
    notebooks where the system cannot fork.

    Parameters
    ----------
    notebook
        A notebook of format 4, as JSON holds it; it is not changed.
    cwd
        The kernel's working directory.
    env
        The kernel's complete environment.
    fork_server
        The server to fork from; None: start one for this notebook.
    kernel
        Name of the kernelspec; None: the one in the notebook's metadata.
    policy
        The files that the notebook may read; reading another one is an error in its cell. None: no limit.
    stopped
        Returns whether the run was interrupted. An ordinary kernel polls it; forks end with `fork_server`.

    Raises
    ------
    DeadKernelError
        If no kernel can start.
    """
    started = time.monotonic()
    copy: dict[str, Any] = json.loads(json.dumps(notebook))
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="nbship-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        name, notice = _choose_kernel(copy, kernel)
        opened = stack.enter_context(
            _open_kernel(name, folder, limits=limits, env=env, fork_server=fork_server, policy=policy, stopped=stopped)
        )
        run = _Execution(copy, opened, limits, callbacks)
        failure, report = run(cwd=cwd, env=env)
    usage = Usage(time.monotonic() - started, report.cpu, report.peak)
    modules, reads = (None, None) if failure else (report.modules, report.reads)
    return Executed(copy, failure, usage, modules, reads, notice)


def _choose_kernel(notebook: Mapping[str, Any], name: str | None) -> tuple[str | None, str]:
    """Return the kernelspec's name, None for this interpreter's kernel, and a notice about the choice."""
    spec = notebook.get("metadata", {}).get("kernelspec", {})
    name = name or spec.get("name") or "python3"
    if name in ("python", "python3"):
        return None, "" if can_fork() else "This system cannot fork. The notebook ran in an ordinary kernel."
    language = spec.get("language") or "python"
    if is_installed(name):
        notice = f"The notebook names the kernel '{name}'. It ran in an ordinary process."
        return name, notice if language == "python" else ""
    if language == "python":
        return None, f"The notebook names the kernel '{name}', which is not installed. It ran with this Python."
    raise DeadKernelError(missing_kernel(name, language))


@contextlib.contextmanager
def _open_kernel(
    name: str | None,
    folder: Path,
    *,
    limits: Limits,
    env: Mapping[str, str],
    fork_server: ForkServer | None,
    policy: ReadPolicy | None,
    stopped: Callable[[], bool],
) -> Iterator[Kernel]:
    with contextlib.ExitStack() as stack:
        kernel: Kernel
        if name is None and can_fork():
            fork_server = fork_server or stack.enter_context(ForkServer.start(env=env))
            kernel = ForkedKernel(fork_server, folder, memory=limits.memory, policy=policy)
        else:
            from .process import ProcessKernel

            kernel = ProcessKernel(folder, name=name, memory=limits.memory, policy=policy, stopped=stopped)
        stack.callback(kernel.close)
        yield kernel


class _Execution:
    def __init__(self, notebook: dict[str, Any], kernel: Kernel, limits: Limits, callbacks: Callbacks) -> None:
        self._notebook, self._kernel, self._limits, self._callbacks = notebook, kernel, limits, callbacks
        self._cells: list[dict[str, Any]] = notebook["cells"]
        self._outputs = Outputs(self._cells, on_text=callbacks.printed)
        self._until = None if limits.stage is None else time.monotonic() + limits.stage
        # A kernel killed by SIGKILL looks the same whether the system or a user killed it. Example: the control group
        # counts 2 memory kills before the notebook and 3 when its kernel dies, so memory ran out; still 2: another
        # process killed it.
        self._kills_before = out_of_memory_kills()

    def __call__(self, *, cwd: Path, env: Mapping[str, str]) -> tuple[Failure | None, KernelReport]:
        for cell in self._cells:
            cell["source"] = "".join(cell["source"])
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
        metadata = self._notebook.setdefault("metadata", {})
        metadata["language_info"] = self._kernel.start(cwd=cwd, env=env)
        failure = self._run_cells()
        report = self._kernel.end() if failure is None or failure.kind == "error" else self._kernel.stop()
        if state := self._outputs.widget_state():
            metadata["widgets"] = state
        return failure, report

    def _run_cells(self) -> Failure | None:
        code = [index for index, cell in enumerate(self._cells) if cell["cell_type"] == "code"]
        for number, index in enumerate(code, start=1):
            self._callbacks.cell_started(number, len(code))
            if self._is_executed(self._cells[index]):
                failure = self._run_cell(index)
                self._callbacks.cell_ended(index, self._cells[index])
                if failure:
                    return failure
        return None

    def _is_executed(self, cell: Mapping[str, Any]) -> bool:
        return bool(cell["source"].strip()) and "skip-execution" not in _tags(cell)

    def _run_cell(self, index: int) -> Failure | None:
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
        limit = f"The memory limit is {self._limits.memory / 1e6:,.0f} MB. " if self._limits.memory else ""
        return Failure("memory", index, reply.ename, f"{limit}{reply.evalue or 'The kernel ran out of memory.'}")

    def _deadline(self) -> float | None:
        cell = None if self._limits.cell is None else time.monotonic() + self._limits.cell
        return min((each for each in (cell, self._until) if each is not None), default=None)

    def _timed_out(self, index: int) -> Failure:
        """Interrupt the cell for its traceback; the kernel is not used again."""
        with contextlib.suppress(KernelTimeoutError, KernelEnded):
            self._kernel.interrupt(self._outputs, until=time.monotonic() + _GRACE_SECONDS)
        error = self._outputs.pop_error()
        is_stage_limit = self._until is not None and time.monotonic() >= self._until
        limit, subject = (self._limits.stage, "notebook") if is_stage_limit else (self._limits.cell, "cell")
        reason = f"The {subject} took longer than {limit:g} s and was stopped."
        return self._mark_failure("timeout", index, "TimeoutError", reason, trace=error["traceback"] if error else ())

    def _died(self, index: int, error: KernelEnded) -> Failure:
        if out_of_memory_kills() > self._kills_before:
            return self._mark_failure(
                "memory", index, "MemoryError", "The machine's memory ran out, and the kernel was killed."
            )
        hint = " (memory may have run out)" if error.status == -9 else ""
        return self._mark_failure("died", index, "DeadKernelError", f"The kernel {error}{hint}.")

    def _mark_failure(self, kind: str, index: int, ename: str, evalue: str, *, trace: Any = ()) -> Failure:
        self._outputs.mark_failed(ename=ename, evalue=evalue, traceback=trace)
        return Failure(kind, index, ename, evalue)


def _tags(cell: Mapping[str, Any]) -> Any:
    return cell.get("metadata", {}).get("tags") or ()
