"""`nbship stage NAME`: what dvc.yaml calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import NbshipError, StageError
from ..pipeline import COPIES_STAGE, Plan, read_pipeline
from ..pipeline.dvc import verify_all, verify_stage
from ..pipeline.libraries import read_libraries
from ..pipeline.strip import write_copies
from ..project import Project, load
from .report import StageReport, write_progress, write_report
from .stage import Inputs, run_stage
from .versions import refuse_other_versions

__all__ = ["run_named"]


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
        Where `NBSHIP_REPORT` names a folder, progress and report are left there.
    on_report
        Called once with the report, also when the stage fails.

    Raises
    ------
    NbshipError
        As `run_stage` does; and, before the first cell, if `dvc.yaml` does not declare what the notebook
        depends on.
    """
    folder = Path(environ["NBSHIP_REPORT"]) if environ.get("NBSHIP_REPORT") else None
    reports: list[StageReport] = []

    def tell(report: StageReport) -> None:
        reports.append(report)
        if folder:
            write_report(folder, report)
        if on_report:
            on_report(report)

    def at(cell: int, cells: int) -> None:
        if folder:
            write_progress(folder, name, cell=cell, cells=cells)

    try:
        _run(project, name, environ=environ, on_cell=at, on_report=tell)
    except NbshipError as error:
        if not reports:
            tell(StageReport(stage=name, seconds=0.0, error=type(error).__name__, message=str(error)))
        raise


def _run(
    project: Project,
    name: str,
    *,
    environ: Mapping[str, str],
    on_cell: Callable[[int, int], None],
    on_report: Callable[[StageReport], None],
) -> None:
    pipeline = read_pipeline(project)
    if name == COPIES_STAGE:
        verify_all(project, pipeline)
        write_copies(project, pipeline)
        return
    plan = verify_stage(project, name, pipeline=pipeline)
    inputs = _inputs(project, plan)
    run_stage(
        project,
        plan.stage,
        pipeline=pipeline,
        inputs=inputs,
        environ=environ,
        on_cell=on_cell,
        on_report=on_report,
    )


def _inputs(project: Project, plan: Plan) -> Inputs:
    missing = [str(path) for path in plan.files if not (project.root / path).exists()]
    if missing:
        raise StageError(
            f"Stage '{plan.stage.name}' needs '{missing[0]}', which is not there. Run `nbship run {plan.stage.name}`, which makes what comes before it; outside files come with `dvc pull` or the project's install step."
        )

    refuse_other_versions(plan.stage.name, plan.libraries, locked=read_libraries(project).versions)

    def state() -> object:
        again = load(project.root)
        return replace(plan, stage=read_pipeline(again)[plan.stage.name]).state(again)

    return Inputs(copy=project.root / plan.copy, files=tuple(map(str, plan.files)), state=state)
