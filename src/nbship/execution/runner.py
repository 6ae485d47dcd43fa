"""`nbship run`: what changed runs, independent stages side by side, and DVC's books are kept."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack

from ..errors import SourceError
from ..pipeline import COPIES_STAGE, Pipeline, Plan, plan_stages, read_pipeline
from ..pipeline.digest import Digests
from ..pipeline.graph import ancestors
from ..pipeline.sync import sync
from ..project import Project, load
from .declared import declare
from .dvc.books import Books, Declared
from .dvc.config import Repository, read_repository
from .dvc.ignore import ignore_in_git
from .dvc.locks import claims, one_run
from .environment import kernel_environment
from .overrides import set_params
from .progress import Progress, choose_progress
from .repository import prepare_repository
from .schedule import run_in_order
from .secrets import redactor
from .stages import Marks
from .summary import RunSummary
from .warm import WarmParent, can_fork
from .work import Work

__all__ = ["run"]

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
    progress = progress or choose_progress()
    redactor(project, os.environ).refuse(dict(each.partition("=")[::2] for each in assignments), where="-S")
    prepare_repository(project.root)
    repository = read_repository(project.root)
    with one_run(repository, on_wait=lambda: progress.note(_WAITING)):
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
    digests = Digests(project.cache / "digests.json")
    marks = Marks(project, digests)
    pipeline = read_pipeline(project)
    upstream = _selected(pipeline, targets)
    progress.begin([name for name in upstream if name != COPIES_STAGE])
    for edit in sync(project, ask_ploomber=False).edits:
        progress.note(
            f"{edit}. The pipeline runs with params.yaml; `nbship sync --from-notebook` keeps the notebook's."
        )
    plans = plan_stages(project, pipeline)
    declared = declare(project, pipeline, plans)
    _refuse_missing(project, pipeline, upstream)
    books = Books(project.root, repository, digests, order=declared)
    with ExitStack() as stack:
        stack.callback(digests.save)
        stack.callback(progress.close)
        parent = _Parent(stack, project, pipeline, plans)
        stack.enter_context(_claimed(project, repository, [declared[name] for name in upstream], books, progress))
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
            force=force,
        )

        def stop() -> None:
            work.stopped = True
            parent.close()

        run_in_order(upstream, work, jobs=jobs, stop=stop)
    return work.summary


def _selected(pipeline: Pipeline, targets: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the stages to bring up to date, in order, and what each comes after."""
    upstream = {name: stage.upstream for name, stage in pipeline.stages.items()}
    wanted = {name for target in targets for name in (*ancestors(upstream, pipeline[target].name), target)}
    chosen = {name: (COPIES_STAGE, *before) for name, before in upstream.items() if not targets or name in wanted}
    return {COPIES_STAGE: (), **chosen}


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


class _Parent:
    """The process that notebooks are forked from, started when the first of them runs."""

    def __init__(self, stack: ExitStack, project: Project, pipeline: Pipeline, plans: Mapping[str, Plan]) -> None:
        self._stack, self._project, self._pipeline, self._plans = stack, project, pipeline, plans
        self._lock = threading.Lock()
        self._parent: WarmParent | None = None

    def __call__(self) -> WarmParent | None:
        with self._lock:
            if self._parent is None and can_fork():
                stage = next(iter(self._pipeline.stages.values()))
                env = kernel_environment(self._project, stage, environ=os.environ)
                self._parent = self._stack.enter_context(WarmParent.start(env=env))
            return self._parent

    def close(self) -> None:
        """End it, and the notebooks with it."""
        if self._parent:
            self._parent.close()


def _refuse_missing(project: Project, pipeline: Pipeline, names: Iterable[str]) -> None:
    for name in names:
        stage = pipeline.stages.get(name)
        for path in stage.resources.values() if stage else ():
            if not (project.root / path).exists():
                raise SourceError(
                    f"Stage '{name}' reads '{path}', which is not there. Bring it with `dvc pull`, or by the project's own install step."
                )
