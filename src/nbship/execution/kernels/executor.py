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
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import DeadKernelError
from ...pipeline.inspection import PYTHON, is_installed, kernel_name, language_of, missing_kernel
from ..reads import ReadPolicy
from .client import ForkServer, can_fork
from .execution import Callbacks, Executed, Failure, Limits, Usage
from .forked import ForkedKernel
from .guard import out_of_memory_kills
from .outputs import Outputs
from .protocol import Kernel, KernelEnded, KernelReport, KernelTimeoutError, Reply

__all__ = ["execute"]

# Time for an interrupted cell to report its traceback.
_GRACE_SECONDS = 3.0
# Messages of `SystemExit` that mean success, as in papermill: of `sys.exit()` and `sys.exit(0)`.
_SUCCESS = ("", "0")
_UNLIMITED, _NO_CALLBACKS = Limits(), Callbacks()


def execute(
    notebook: Mapping[str, Any],
    *,
    cwd: Path,
    env: Mapping[str, str],
    limits: Limits = _UNLIMITED,
    callbacks: Callbacks = _NO_CALLBACKS,
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
    return Executed(
        copy,
        failure,
        usage,
        modules=None if failure else report.modules,
        reads=None if failure else report.reads,
        notice=" ".join(filter(None, [notice, run.skipped()])),
        ended_by=run.ended_by,
    )


def _choose_kernel(notebook: Mapping[str, Any], name: str | None) -> tuple[str | None, str]:
    """Return the kernelspec's name, None for this interpreter's kernel, and a notice about the choice."""
    name = name or kernel_name(notebook) or "python3"
    if name in ("python", "python3"):
        return None, "" if can_fork() else "This system cannot fork. The notebook ran in an ordinary kernel."
    language = language_of(notebook).name
    if is_installed(name):
        notice = f"The notebook names the kernel '{name}'. It ran in an ordinary process."
        return name, notice if language == PYTHON else ""
    if language == PYTHON:
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
        self._outputs = Outputs(self._cells, on_text=callbacks.printed, on_output=self._output_arrived)
        self._running = 0
        self.ended_by: int | None = None
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
                if failure or self.ended_by is not None:
                    return failure
        return None

    def skipped(self) -> str:
        """Return a remark about the cells after one that ended the notebook; empty if there are none."""
        if self.ended_by is None or not any(map(self._is_executed, self._cells[self.ended_by + 1 :])):
            return ""
        where = self._cells[self.ended_by]["execution_count"]
        return f"Cell In [{where}] ended the notebook, as it called `exit`. The cells after it did not run."

    def _is_executed(self, cell: Mapping[str, Any]) -> bool:
        is_code = cell["cell_type"] == "code" and bool(cell["source"].strip())
        return is_code and "skip-execution" not in _tags(cell)

    def _run_cell(self, index: int) -> Failure | None:
        cell, count = self._cells[index], None
        self._running = index
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
            ename, evalue = self._error_of(reply)
        finally:
            self._outputs.end(count)
        if reply.exited:
            self.ended_by = index
        if reply.status == "ok" or "raises-exception" in _tags(cell):
            return None
        if ename == "SystemExit" and evalue in _SUCCESS:
            self.ended_by = index
            return None
        if ename not in ("MemoryError", "_ArrayMemoryError"):
            return Failure("error", index, ename, evalue)
        limit = f"The memory limit is {self._limits.memory / 1e6:,.0f} MB. " if self._limits.memory else ""
        return Failure("memory", index, ename, f"{limit}{evalue or 'The kernel ran out of memory.'}")

    def _error_of(self, reply: Reply) -> tuple[str, str]:
        """Return the class name and message of a failed cell's exception, which the cell's outputs show."""
        if reply.status == "ok":
            return "", ""
        shown = self._outputs.last_error()
        if shown and reply.ename == "NoneType":  # the value of the cell could not be displayed
            return shown["ename"], shown["evalue"]
        return reply.ename, reply.evalue

    def _output_arrived(self) -> None:
        self._callbacks.output_arrived(self._running, self._outputs.so_far)

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
