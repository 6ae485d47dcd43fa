"""`nbship stage NAME`: what dvc.yaml calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ..atomic_write import remove_temporary
from ..dvcstore import Digests
from ..errors import NbshipError, StageError
from ..pipeline import (
    COPIES_STAGE,
    LOCK,
    Plan,
    index_of,
    read_libraries,
    read_pipeline,
    verify_all,
    verify_stage,
    write_copies,
)
from ..project import Project, load
from .kernels import find_parent
from .locked_versions import refuse_other_versions
from .reporting import StageReport
from .stage import Inputs, run_stage

__all__ = ["Marks", "run_named", "stage_inputs"]

_SETTINGS = ("pipeline.yaml", "params.yaml", "nbship.yaml", str(LOCK))


def run_named(
    project: Project,
    name: str,
    *,
    environ: Mapping[str, str],
    on_report: Callable[[StageReport], None] | None = None,
) -> None:
    """Run the stage `name`, or write the notebooks' copies if it is the stage that does that.

    Parameters
    ----------
    environ
        May name the warm parent of a run that this is part of.
    on_report
        Called once with the report, also when the stage fails.

    Raises
    ------
    NbshipError
        As `run_stage` does; and, before the first cell, if `dvc.yaml` does not declare what the notebook
        depends on.
    """
    reports: list[StageReport] = []

    def tell(report: StageReport) -> None:
        reports.append(report)
        if on_report:
            on_report(report)

    try:
        _run(project, name, environ=environ, on_report=tell)
    except NbshipError as error:
        if not reports:
            tell(StageReport(stage=name, seconds=0.0, error=type(error).__name__, message=str(error)))
        raise


def _run(project: Project, name: str, *, environ: Mapping[str, str], on_report: Callable[[StageReport], None]) -> None:
    index = index_of(project)
    digests = index.digests
    marks = Marks(project, digests)
    pipeline = read_pipeline(project)
    if name == COPIES_STAGE:
        verify_all(project, pipeline)
        write_copies(project, pipeline)
        return
    plan = verify_stage(project, name, pipeline=pipeline)
    remove_temporary(project.root / path for path in plan.stage.products.values())
    run_stage(
        project,
        plan.stage,
        pipeline=pipeline,
        inputs=stage_inputs(project, plan, digests=digests, marks=marks),
        environ=environ,
        parent=find_parent(environ) if plan.stage.is_python else None,
        on_report=on_report,
    )
    index.save()


class Marks:
    """The files of settings as they were when a project's plan was made.

    Parameters
    ----------
    project
        Taken before its pipeline is read.
    """

    def __init__(self, project: Project, digests: Digests) -> None:
        self._root = project.root
        self._digests = digests
        self._marks = self._read()

    def changed(self) -> bool:
        """Tell whether one of them is another now."""
        return self._read() != self._marks

    def _read(self) -> list[str | None]:
        return [self._digests.md5(self._root / name) for name in _SETTINGS]


def stage_inputs(
    project: Project,
    plan: Plan,
    *,
    digests: Digests,
    marks: Marks,
    before: Mapping[str, str | None] | None = None,
) -> Inputs:
    """Return what a stage is a function of.

    Parameters
    ----------
    before
        The digests of its files that are recorded for this run.

    Raises
    ------
    StageError
        If a file that it needs is not there, or other versions of its libraries are installed than locked.
    """
    missing = [str(path) for path in plan.files if not (project.root / path).exists()]
    if missing:
        raise StageError(
            f"Stage '{plan.stage.name}' needs '{missing[0]}', which is not there. Run `nbship run {plan.stage.name}`, which makes what comes before it; get other files with `dvc pull` or the project's install step."
        )
    refuse_other_versions(plan.stage.name, plan.libraries, locked=read_libraries(project).versions)

    def changed() -> bool:
        if not marks.changed():
            return False
        again = load(project.root)
        replanned = replace(plan, stage=read_pipeline(again)[plan.stage.name])
        return replanned.state(again) != plan.state(project)

    return Inputs(project.root / plan.copy, tuple(map(str, plan.files)), digests.md5, changed, before or {})
