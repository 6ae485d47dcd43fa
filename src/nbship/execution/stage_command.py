"""`nbship stage NAME`, the command in dvc.yaml."""

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
from .kernels import find_fork_server
from .locked_versions import check_versions
from .reporting import StageReport
from .stage import Inputs, run_stage

__all__ = ["SettingsSnapshot", "run_named", "stage_inputs"]

_SETTINGS = ("pipeline.yaml", "params.yaml", "nbship.yaml", str(LOCK))


def run_named(
    project: Project,
    name: str,
    *,
    environ: Mapping[str, str],
    on_report: Callable[[StageReport], None] | None = None,
) -> None:
    """Run the stage `name`; for the stage `notebooks`, write the copies of the notebooks.

    Parameters
    ----------
    environ
        May hold the address of the fork server of the run that started this process.
    on_report
        Called once with the report, even if the stage fails.

    Raises
    ------
    NbshipError
        The errors of `run_stage`; and, before the first cell, an error if `dvc.yaml` does not declare a dependency of
        the notebook.
    """
    reports: list[StageReport] = []

    def add_report(report: StageReport) -> None:
        reports.append(report)
        if on_report:
            on_report(report)

    try:
        _run(project, name, environ=environ, on_report=add_report)
    except NbshipError as error:
        if not reports:
            add_report(StageReport(stage=name, seconds=0.0, error=type(error).__name__, message=str(error)))
        raise


def _run(project: Project, name: str, *, environ: Mapping[str, str], on_report: Callable[[StageReport], None]) -> None:
    index = index_of(project)
    digests = index.digests
    settings_snapshot = SettingsSnapshot(project, digests)
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
        inputs=stage_inputs(project, plan, digests=digests, settings_snapshot=settings_snapshot),
        environ=environ,
        fork_server=find_fork_server(environ) if plan.stage.is_python else None,
        on_report=on_report,
    )
    index.save()


class SettingsSnapshot:
    """The digests of the settings files at the time a project was planned.

    A snapshot must be taken before the pipeline is read: an edit between the two then counts as a change.
    """

    def __init__(self, project: Project, digests: Digests) -> None:
        self._root = project.root
        self._digests = digests
        self._recorded = self._read()

    def changed(self) -> bool:
        """Return whether a settings file has changed."""
        return self._read() != self._recorded

    def _read(self) -> list[str | None]:
        return [self._digests.md5(self._root / name) for name in _SETTINGS]


def stage_inputs(
    project: Project,
    plan: Plan,
    *,
    digests: Digests,
    settings_snapshot: SettingsSnapshot,
    before: Mapping[str, str | None] | None = None,
) -> Inputs:
    """Return the inputs of a stage.

    Parameters
    ----------
    before
        The files' digests recorded for this run.

    Raises
    ------
    StageError
        If a file is missing, or an installed library differs from the lock file.
    """
    missing = [str(path) for path in plan.files if not (project.root / path).exists()]
    if missing:
        raise StageError(
            f"Stage '{plan.stage.name}' needs '{missing[0]}', which does not exist. Run `nbship run {plan.stage.name}` to run its upstream stages too, or get outside files with `dvc pull` or the project's install step."
        )
    check_versions(plan.stage.name, plan.libraries, locked=read_libraries(project).versions)

    def changed() -> bool:
        if not settings_snapshot.changed():
            return False
        reloaded = load(project.root)
        replanned = replace(plan, stage=read_pipeline(reloaded)[plan.stage.name])
        return replanned.state(reloaded) != plan.state(project)

    return Inputs(project.root / plan.copy, tuple(map(str, plan.files)), digests.md5, changed, before or {})
