"""`nbship run`: what changed runs, independent stages side by side, and DVC's store are kept."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack

from ..dvcstore import DvcStore, Repository, RepositoryLock, hold_run_lock, read_repository, repair_lock
from ..pipeline import (
    Pipeline,
    ancestors,
    declare,
    derive,
    index_of,
    library_imports,
    plan_stages,
    read_pipeline,
    write_snapshot_if_current,
)
from ..project import Project, load, set_params
from .environment import parent_environment
from .kernels import RunParent
from .parallel import run_in_order
from .preflight import open_run, refuse_inside
from .redaction import redactor
from .reporting import Progress, RunSummary, choose_progress
from .repository import prepare_repository
from .stage_command import Marks
from .update import Work

__all__ = ["SNAPSHOT", "run"]

# The snapshot that is written after a run of all stages; `nbship run` reads it with `nbship.pipeline.read_snapshot`.
SNAPSHOT = "run"
_WAITING = "Another `nbship run` is running here. Waiting for it to finish."


def run(
    project: Project,
    stages: Sequence[str] = (),
    *,
    assignments: Sequence[str] = (),
    force: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> RunSummary:
    """Bring stages (none: all) and those before them up to date.

    Parameters
    ----------
    assignments
        `key=value`, written to `params.yaml` first.
    force
        Run the notebooks also where nothing changed.
    jobs
        How many notebooks run at a time.

    Raises
    ------
    NbshipError
        For a mistake in the project's files, or an unknown stage. A stage that fails is in the summary;
        `raise_for` raises for it.
    """
    began = time.monotonic()
    refuse_inside(project)
    progress = progress or choose_progress()
    secrets = redactor(project, os.environ)
    secrets.refuse(dict(each.partition("=")[::2] for each in assignments), where="-S")
    secrets.refuse(project.params, where="params.yaml")
    prepare_repository(project.root)
    repository = read_repository(project.root)
    with hold_run_lock(repository, on_wait=lambda: progress.note(_WAITING)):
        with RepositoryLock(repository)():  # DVC writes it in place: half of it is damage only when DVC is not at work
            repaired = repair_lock(project.root / "dvc.lock", aside=project.cache / "dvc.lock.damaged")
        if repaired:
            progress.note(repaired)
        set_params(project.root / "params.yaml", assignments)
        summary = _run(load(project.root), repository, stages, force=force, jobs=jobs, progress=progress)
    summary.seconds = time.monotonic() - began
    return summary


def _run(
    project: Project,
    repository: Repository,
    targets: Sequence[str],
    *,
    force: bool,
    jobs: int,
    progress: Progress,
) -> RunSummary:
    parent = RunParent(parent_environment(project, environ=os.environ), root=project.root)
    with ExitStack() as stack:
        stack.callback(progress.close)
        stack.callback(parent.close)
        parent.begin()
        pipeline = read_pipeline(project)
        upstream = _selected(pipeline, targets)
        if force or not (project.root / "dvc.lock").exists():
            # All will run, and planning from cold takes as long as importing.
            parent.preload(library_imports(project, pipeline, upstream))
        work = _plan(project, repository, progress=progress, parent=parent, force=force, jobs=jobs)
        progress.begin(list(upstream))
        open_run(work, repository, list(upstream), stack)
        work.copy_notebooks()
        stale = _stale(upstream, work)
        work.store.expect(stale)
        parent.preload([module for name in stale for module in work.plans[name].imports])
        try:
            run_in_order(stale, work, jobs=jobs + 1, stop=work.stop)
        finally:
            work.store.close()
        if not targets and not work.summary.failed:
            write_snapshot_if_current(project, name=SNAPSHOT, extra=work.store.cached_files())
    return work.summary


def _plan(
    project: Project, repository: Repository, *, progress: Progress, parent: RunParent, force: bool, jobs: int
) -> Work:
    digests = index_of(project).digests
    marks = Marks(project, digests)
    pipeline = read_pipeline(project)
    plans = plan_stages(project, pipeline)
    declared = declare(project, derive(project, pipeline, plans))
    return Work(
        project=project,
        pipeline=pipeline,
        plans=plans,
        declared=declared,
        store=DvcStore(project.root, repository, digests, order=declared),
        digests=digests,
        marks=marks,
        progress=progress,
        environ=os.environ,
        parent=parent,
        slots=threading.Semaphore(jobs),
        force=force,
    )


def _stale(upstream: Mapping[str, Collection[str]], work: Work) -> dict[str, list[str]]:
    """Return the stages that have something to do, or may have once those before them are done, and these."""
    stale: dict[str, list[str]] = {}
    for name, before in upstream.items():
        after = [each for each in before if each in stale]
        if after or not work.is_current(name):
            stale[name] = after
    return stale


def _selected(pipeline: Pipeline, targets: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the stages to bring up to date, in order, and what each comes after."""
    upstream = {name: stage.upstream for name, stage in pipeline.stages.items()}
    wanted = {name for target in targets for name in (*ancestors(upstream, pipeline[target].name), target)}
    return {name: before for name, before in upstream.items() if not targets or name in wanted}
