"""Run one stage: execute its notebook, check the result and write the products."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..atomic_write import remove, write_whole
from ..dvcstore import put_back, read_repository
from ..errors import CellError, DeadKernelError, GateError, NbshipError, StageError, UndeclaredReadError
from ..pipeline import Pipeline, Stage, index_of, this_platform
from ..pipeline.inspection import render_notebook
from ..project import Project
from ..run_records import RUNS, RunRecord, append_record
from ..text import first_line, listed
from .environment import kernel_environment
from .html import render_html
from .kernels import Callbacks, Executed, Failure, ForkServer, Limits, execute
from .normalization import normalize
from .parameters import prepare
from .reads import check_modules, check_reads, read_policy
from .redaction import Redactor, project_redactor, redact_executed
from .reporting import StageReport

__all__ = ["Inputs", "run_stage"]

# Lines of printed text shown for a failed cell without a traceback.
_PRINTED_LINES = 10


@dataclass(frozen=True)
class Inputs:
    """The inputs of a stage.

    Attributes
    ----------
    copy
        Absolute path of the stage's copy of the notebook, which has no outputs.
    files
        All files and folders that the stage depends on, relative to the root.
    md5
        Returns the current digest of a file or folder, None if it does not exist.
    changed
        Returns whether another dependency (parameters, settings, library versions) changed since this object was
        created.
    before
        The files' digests recorded for this run; empty: compute them when the stage starts.
    """

    copy: Path
    files: tuple[str, ...]
    md5: Callable[[Path], str | None]
    changed: Callable[[], bool] = lambda: False
    before: Mapping[str, str | None] = field(default_factory=dict)


def run_stage(
    project: Project,
    stage: Stage,
    *,
    pipeline: Pipeline,
    inputs: Inputs,
    environ: Mapping[str, str],
    fork_server: ForkServer | None = None,
    stopped: Callable[[], bool] = lambda: False,
    on_cell: Callable[[int, int], None] | None = None,
    on_report: Callable[[StageReport], None] | None = None,
) -> StageReport:
    """Run a stage and return its report; a failed run leaves no product, except those of the last run after a `GateError`.

    The executed notebook of a failed run, with the outputs until then, is in `.nbship/scratch/`.
    `on_report` also receives the report of a failed run, before the error is raised.

    Parameters
    ----------
    fork_server
        The server to fork the kernel from; None: start one for this stage.
    stopped
        Returns whether the run was interrupted. An ordinary kernel polls it; forks end with `fork_server`.

    Raises
    ------
    ParameterError
        If a parameter cannot be passed; raised before the first cell.
    CellError, DeadKernelError, GateError
        If a cell raised; if the kernel died or timed out; if a cell raised a `GateError`.
    StageError
        If an input changed during the run, a product is missing, or the HTML page cannot be rendered.
    UndeclaredImportError, UndeclaredReadError
        If the kernel loaded project code, or read a file of the project, that the stage does not declare.
    """
    started, began = datetime.now(UTC), time.monotonic()
    run = _StageRun(project, stage, pipeline, inputs)
    report = None
    try:
        run(environ=environ, fork_server=fork_server, stopped=stopped, on_cell=on_cell)
        report = run.report(began)
        return report
    except BaseException as error:
        run.remove_products()
        kept = run.put_back() if isinstance(error, GateError) else ()
        report = run.report(began, error=error, kept=kept)
        raise
    finally:
        if report:
            append_record(project.state / RUNS, run.record(started, report))
            if on_report:
                on_report(report)


class _StageRun:
    def __init__(self, project: Project, stage: Stage, pipeline: Pipeline, inputs: Inputs) -> None:
        self.project, self.stage, self.pipeline, self.inputs = project, stage, pipeline, inputs
        self.executed: Executed | None = None
        self.failure: dict[str, Any] = {}
        self.redact = Redactor({})
        self.policy = read_policy(project, pipeline, stage, files=inputs.files)

    def __call__(
        self,
        *,
        environ: Mapping[str, str],
        fork_server: ForkServer | None,
        stopped: Callable[[], bool],
        on_cell: Callable[[int, int], None] | None,
    ) -> None:
        project, stage = self.project, self.stage
        self.redact = project_redactor(project, environ)
        self.redact.check(stage.params, where=f"Stage '{stage.name}'")
        before = self.inputs.before or self.digests()
        notebook = prepare(json.loads(self.inputs.copy.read_bytes()), pipeline=self.pipeline, stage=stage)
        self.remove_products()
        self.make_folders()
        try:
            executed = execute(
                notebook,
                cwd=project.root / stage.notebook.parent,
                env=kernel_environment(project, stage, environ=environ),
                limits=_limits(project),
                callbacks=Callbacks(cell_started=on_cell) if on_cell else Callbacks(),
                fork_server=fork_server,
                policy=self.policy,
                stopped=stopped,
            )
        except DeadKernelError as error:
            raise DeadKernelError(f"Stage '{stage.name}' cannot start '{stage.notebook}'. {error}") from error
        self.executed = redact_executed(executed, self.redact)
        clean = normalize(self.executed.notebook, root=project.root)
        if self.executed.failure:
            raise self.fail(clean, self.executed.failure)
        try:
            self.finish(clean, before)
        except NbshipError:
            self.failure = {"notebook": self.save_executed(clean)}
            raise

    def finish(self, notebook: dict[str, Any], before: Mapping[str, str | None]) -> None:
        """Check what the notebook read, write it to its products, and check these."""
        assert self.executed is not None
        if self.executed.modules is None or self.executed.reads is None:
            raise StageError(
                f"The kernel of stage '{self.stage.name}' ended without reporting its modules and files, so its dependencies are not known. End the threads and processes that it starts, and run the stage again."
            )
        check_modules(self.executed.modules, project=self.project, stage=self.stage.name, declared=self.inputs.files)
        check_reads(self.executed.reads, self.policy)
        self.write_notebook(notebook)
        self.check_products()
        self.check_unchanged(before)

    def save_executed(self, notebook: dict[str, Any]) -> str:
        """Write the executed notebook of a failed run to `.nbship/scratch/`; return its path."""
        path = self.project.scratch / self.stage.name / self.stage.notebook.name
        write_whole(path, render_notebook(notebook))
        return path.relative_to(self.project.root).as_posix()

    def digests(self) -> Mapping[str, str | None]:
        return {path: self.inputs.md5(self.project.root / path) for path in self.inputs.files}

    def remove_products(self) -> None:
        for path in self.stage.products.values():
            remove(self.project.root / path)

    def put_back(self) -> Sequence[str]:
        """Restore the products of the last run, which the gate has accepted: they are still served. Return their paths."""
        try:
            digests = index_of(self.project).digests
            return put_back(self.project.root, read_repository(self.project.root), digests, stage=self.stage.name)
        except (NbshipError, OSError):
            # There is no DVC repository, or DVC deletes from its cache right now.
            return ()

    def make_folders(self) -> None:
        for path in self.stage.products.values():
            (self.project.root / path).parent.mkdir(parents=True, exist_ok=True)

    def write_notebook(self, notebook: dict[str, Any]) -> None:
        for key in self.stage.notebook_keys:
            path = self.project.root / self.stage.products[key]
            if path.suffix == ".html":
                write_whole(path, render_html(notebook, title=self.stage.name))
            else:
                write_whole(path, render_notebook(notebook))

    def check_products(self) -> None:
        missing = [str(path) for path in self.stage.products.values() if not (self.project.root / path).exists()]
        if missing:
            raise StageError(
                f"Stage '{self.stage.name}' finished without writing {listed(missing, most=5, quoted=True)}. "
                f"Write it in '{self.stage.notebook}', or remove it from the task's 'product' in pipeline.yaml."
            )

    def check_unchanged(self, before: Mapping[str, str | None]) -> None:
        after = self.digests()
        names = [path for path in before if before[path] != after[path]]
        if not names and self.inputs.changed():
            names = ["params.yaml or nbship.yaml"]
        if names:
            raise StageError(
                f"{listed(names, most=5, quoted=True)} changed while stage '{self.stage.name}' ran, so its results match neither version. Run the stage again."
            )

    def fail(self, notebook: dict[str, Any], failure: Failure) -> NbshipError:
        cell = notebook["cells"][failure.cell]
        self.failure = {
            "cell": cell.get("execution_count"),
            "ename": failure.ename,
            "evalue": failure.evalue,
            "source": "".join(cell["source"]),
            "traceback": _last_traceback(cell["outputs"]),
            "notebook": self.save_executed(notebook),
        }
        where = f"In [{self.failure['cell']}]" if self.failure["cell"] else f"{failure.cell + 1}"
        return _stage_error(failure, stage=self.stage, where=where)

    def report(self, began: float, *, error: BaseException | None = None, kept: Sequence[str] = ()) -> StageReport:
        cells = self.executed.notebook["cells"] if self.executed else []
        return StageReport(
            stage=self.stage.name,
            seconds=round(time.monotonic() - began, 3),
            cells=sum(cell["cell_type"] == "code" for cell in cells),
            peak_memory=self.executed.usage.peak if self.executed else None,
            error=type(error).__name__ if error else "",
            message=self.redact(str(error)) if error else "",
            notice=self.executed.notice if self.executed else "",
            kept=kept,
            **{"notebook": _notebook_product(self.stage), **self.failure} if not error or self.failure else {},
        )

    def record(self, started: datetime, report: StageReport) -> RunRecord:
        cpu = self.executed.usage.cpu if self.executed else None
        return RunRecord(
            stage=self.stage.name,
            started=started.isoformat(timespec="milliseconds"),
            outcome=report.ename or report.error or "done",
            seconds=report.seconds,
            cpu_seconds=None if cpu is None else round(cpu, 3),
            peak_memory=report.peak_memory,
            python=platform.python_version(),
            platform=this_platform(),
        )


def _limits(project: Project) -> Limits:
    settings = project.settings.project
    return Limits(settings.timeout or None, settings.stage_timeout or None, settings.memory_limit)


def _notebook_product(stage: Stage) -> str:
    paths = [stage.products[key] for key in stage.notebook_keys]
    return str(next((path for path in paths if path.suffix == ".ipynb"), paths[0])) if paths else ""


def _stage_error(failure: Failure, *, stage: Stage, where: str) -> NbshipError:
    reason = first_line(failure.evalue)
    if not failure.ename and reason.isdigit():  # a shell reports an exit code instead of an exception
        cause = f"exit code {reason}"
    else:  # R's kernel names every error "ERROR", and its messages already start with "Error"
        cause = reason if failure.ename in ("", "ERROR") else f"{failure.ename}: {reason}"
    if failure.kind == "error" and failure.ename == "GateError":
        return GateError(f"Stage '{stage.name}': {reason}")
    if failure.kind == "error" and failure.ename == "UndeclaredReadError":
        return UndeclaredReadError(reason)
    kind = CellError if failure.kind == "error" else DeadKernelError
    return kind(f"Stage '{stage.name}' failed in cell {where} of '{stage.notebook}': {cause}")


def _last_traceback(outputs: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return the traceback of a failed cell, or its last printed lines if its language has none."""
    trace = tuple(outputs[-1].get("traceback", ())) if outputs else ()
    printed = "".join(str(output["text"]) for output in outputs if output["output_type"] == "stream")
    return trace or tuple(printed.rstrip("\n").splitlines()[-_PRINTED_LINES:])
