"""`nbship run`: what changed runs, independent stages side by side, and DVC's books are kept."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack

from ..errors import PipelineError, SourceError
from ..notebook.origin import Context
from ..pipeline import COPIES_STAGE, Pipeline, plan_stages, read_pipeline
from ..pipeline.graph import ancestors
from ..pipeline.index import index_of
from ..pipeline.status import remember_current
from ..pipeline.sync import sync
from ..project import Project, load
from .declared import declare
from .dvc.books import Books, Declared
from .dvc.config import Repository, read_repository
from .dvc.healing import heal_lock, remove_drafts
from .dvc.ignore import ignore_in_git
from .dvc.locks import claims, one_run
from .dvc.sources import record_sources
from .environment import parent_environment
from .overrides import set_params
from .progress import Progress, choose_progress
from .repository import prepare_repository
from .run_parent import RunParent
from .schedule import run_in_order
from .secrets import redactor
from .stages import Marks
from .summary import RunSummary
from .work import Work

__all__ = ["SNAPSHOT", "run"]

# What is remembered of a run after which nothing is left to do: `nbship.pipeline.snapshot.recall` asks for it.
SNAPSHOT = "run"
_OWN_FILES = ("dvc.lock", "dvc.yaml", "params.yaml")

_WAITING = "Another `nbship run` is at work here. Waiting for it to end."


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
    _refuse_inside(project)
    progress = progress or choose_progress()
    secrets = redactor(project, os.environ)
    secrets.refuse(dict(each.partition("=")[::2] for each in assignments), where="-S")
    secrets.refuse(project.params, where="params.yaml")
    prepare_repository(project.root)
    repository = read_repository(project.root)
    with one_run(repository, on_wait=lambda: progress.note(_WAITING)):
        if healed := heal_lock(project.root / "dvc.lock", aside=project.cache / "dvc.lock.damaged"):
            progress.note(healed)
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
        stack.callback(parent.close)
        parent.begin()
        return _stages(project, repository, targets, parent, force=force, jobs=jobs, progress=progress)


def _stages(
    project: Project,
    repository: Repository,
    targets: Sequence[str],
    parent: RunParent,
    *,
    force: bool,
    jobs: int,
    progress: Progress,
) -> RunSummary:
    digests = index_of(project).digests
    marks = Marks(project, digests)
    pipeline = read_pipeline(project)
    upstream = _selected(pipeline, targets)
    plans = plan_stages(project, pipeline)
    declared = declare(project, pipeline, plans)
    books = Books(project.root, repository, digests, order=declared)
    work = Work(
        project=project,
        pipeline=pipeline,
        plans=plans,
        declared=declared,
        books=books,
        digests=digests,
        marks=marks,
        progress=progress,
        environ=os.environ,
        parent=parent,
        slots=threading.Semaphore(jobs),
        force=force,
    )
    with ExitStack() as stack:
        written = [*_OWN_FILES, *(path for name in upstream for path in declared[name].products)]
        remove_drafts(project.root / path for path in written)
        books.objects.sweep()
        stack.callback(books.objects.sweep)
        stack.callback(index_of(project).save)
        stack.callback(progress.close)
        progress.begin(list(upstream))
        _refuse_missing(project, pipeline, upstream)
        resources = [path for name in upstream for path in plans[name].stage.resources.values()]
        for tracked in record_sources(project.root, resources, work.digests):
            progress.note(f"'{tracked.removesuffix('.dvc')}' changed; '{tracked}' records it.")
        for edit in sync(project, ask_ploomber=False, plans=(pipeline, plans)).edits:
            progress.note(
                f"{edit}. The pipeline runs with params.yaml; `nbship sync --from-notebook` keeps the notebook's."
            )
        stack.enter_context(
            _claimed(project, repository, [declared[name] for name in (COPIES_STAGE, *upstream)], books, progress)
        )
        work.copy_notebooks()
        stale = _stale(upstream, work)
        parent.preload([module for name in stale for module in plans[name].imports])
        run_in_order(stale, work, jobs=jobs + 1, stop=work.stop)
        if not targets and not work.summary.failed:
            remember_current(project, name=SNAPSHOT, extra=books.cached())
    return work.summary


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


def _claimed(
    project: Project, repository: Repository, stages: Sequence[Declared], books: Books, progress: Progress
) -> AbstractContextManager[None]:
    root = project.root
    kept = [root / path for stage in stages for path in stage.kept]
    if repository.git:
        ignore_in_git(repository.git, kept)
    return claims(
        repository,
        read=dict.fromkeys(root / path for stage in stages for path in stage.files),
        write=[root / path for stage in stages for path in stage.products],
        lock=books.lock,
        on_wait=lambda command: progress.note(f"'{command}' is at work here. Waiting for it to end."),
    )


def _refuse_inside(project: Project) -> None:
    """Refuse a run that a stage of the same project begins: it would wait for itself."""
    context = Context.read(os.environ)
    if context is not None and context.root == project.root:
        raise PipelineError(
            f"Stage '{context.stage}' begins a run of the project that it is part of. Take `nbship run` out of its notebook."
        )


def _refuse_missing(project: Project, pipeline: Pipeline, names: Iterable[str]) -> None:
    for name in names:
        for path in pipeline[name].resources.values():
            if not (project.root / path).exists():
                raise SourceError(
                    f"Stage '{name}' reads '{path}', which is not there. Bring it with `dvc pull`, or by the project's own install step."
                )
