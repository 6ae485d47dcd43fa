"""`nbship run`: run changed stages, independent ones in parallel, and record them in DVC's store."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack

from ..dvcstore import (
    DvcStore,
    Repository,
    RepositoryLock,
    add_to_git,
    hold_run_lock,
    read_repository,
    repair_lock,
)
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
from .environment import shared_environment
from .kernels import RunForkServer
from .parallel import run_in_order
from .preflight import check_not_nested, open_run
from .redaction import project_redactor
from .reporting import Progress, RunSummary, choose_progress
from .repository import prepare_repository
from .stage_command import SettingsSnapshot
from .update import StageUpdater

__all__ = ["SNAPSHOT", "run"]

# The name of the snapshot written after a run of all stages; `nbship run` reads it with `nbship.pipeline.read_snapshot`.
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
    """Update stages (none: all) and their upstream stages.

    Parameters
    ----------
    assignments
        `key=value`, written to `params.yaml` first.
    force
        Run unchanged notebooks too.
    jobs
        The maximum number of notebooks that run at a time.

    Raises
    ------
    NbshipError
        For a mistake in the project's files, or an unknown stage. A failed stage is in the summary; `raise_for` raises
        its error.
    """
    began = time.monotonic()
    check_not_nested(project)
    progress = progress or choose_progress()
    secrets = project_redactor(project, os.environ)
    secrets.check(dict(each.partition("=")[::2] for each in assignments), where="-S")
    secrets.check(project.params, where="params.yaml")
    prepare_repository(project.root)
    repository = read_repository(project.root)
    with hold_run_lock(repository, on_wait=lambda: progress.note(_WAITING)):
        # DVC writes the file in place, so half a file is damage only while DVC holds no lock.
        with RepositoryLock(repository)():
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
    fork_server = RunForkServer(shared_environment(project, environ=os.environ), root=project.root)
    with ExitStack() as stack:
        stack.callback(progress.close)
        stack.callback(fork_server.close)
        fork_server.start()
        pipeline = read_pipeline(project)
        upstream = _selected(pipeline, targets)
        if force or not (project.root / "dvc.lock").exists():
            # All stages will run, and planning without caches takes as long as the imports.
            fork_server.preload(library_imports(project, pipeline, upstream))
        updater = _plan(project, repository, progress=progress, fork_server=fork_server, force=force, jobs=jobs)
        progress.begin(list(upstream))
        ignored = open_run(updater, repository, list(upstream), stack)
        updater.copy_notebooks()
        stale = _stale(upstream, updater)
        updater.store.expect(stale)
        fork_server.preload([module for name in stale for module in updater.plans[name].imports])
        run_in_order(stale, updater, jobs=jobs + 1, stop=updater.stop)
        if repository.git and repository.autostage and not updater.summary.failed:
            add_to_git(repository.git, [project.root / "dvc.lock", project.root / "dvc.yaml", *ignored])
        if not targets and not updater.summary.failed:
            write_snapshot_if_current(project, name=SNAPSHOT, extra=updater.store.cached_files())
    return updater.summary


def _plan(
    project: Project, repository: Repository, *, progress: Progress, fork_server: RunForkServer, force: bool, jobs: int
) -> StageUpdater:
    digests = index_of(project).digests
    settings_snapshot = SettingsSnapshot(project, digests)
    pipeline = read_pipeline(project)
    plans = plan_stages(project, pipeline)
    declared = declare(project, derive(project, pipeline, plans))
    return StageUpdater(
        project=project,
        pipeline=pipeline,
        plans=plans,
        declared=declared,
        store=DvcStore(project.root, repository, digests, order=declared),
        digests=digests,
        settings_snapshot=settings_snapshot,
        progress=progress,
        environ=os.environ,
        fork_server=fork_server,
        slots=threading.Semaphore(jobs),
        force=force,
    )


def _stale(upstream: Mapping[str, Collection[str]], updater: StageUpdater) -> dict[str, list[str]]:
    """Return the stages that are stale, or downstream of a stale stage, and their stale upstream stages."""
    stale: dict[str, list[str]] = {}
    for name, names in upstream.items():
        stale_upstream = [each for each in names if each in stale]
        if stale_upstream or not updater.is_current(name):
            stale[name] = stale_upstream
    return stale


def _selected(pipeline: Pipeline, targets: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the stages to update, in order, and their upstream stages."""
    upstream = {name: stage.upstream for name, stage in pipeline.stages.items()}
    selected = {name for target in targets for name in (*ancestors(upstream, pipeline[target].name), target)}
    return {name: names for name, names in upstream.items() if not targets or name in selected}
