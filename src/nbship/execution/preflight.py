"""What a run does before its first stage: refuse, tidy up, bring up to date what is generated, claim files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

from ..atomic_write import remove_temporary
from ..dvcstore import Repository, claim_files, ignore_in_git, record_tracked_data
from ..errors import PipelineError, SourceError
from ..notebook import Context
from ..pipeline import COPIES_STAGE, index_of, sync
from ..project import Project
from .update import Work

__all__ = ["open_run", "refuse_inside"]

_OWN_FILES = ("dvc.lock", "dvc.yaml", "params.yaml")


def refuse_inside(project: Project) -> None:
    """Refuse a run that a stage of the same project begins: it would wait for itself.

    Raises
    ------
    PipelineError
        If this process belongs to a stage of the project.
    """
    context = Context.read(os.environ)
    if context is not None and context.root == project.root:
        raise PipelineError(
            f"Stage '{context.stage}' starts a run of its own project. Remove `nbship run` from its notebook."
        )


def open_run(work: Work, repository: Repository, names: Sequence[str], stack: ExitStack) -> None:
    """Make all ready for the stages `names`; what must be undone when the run ends goes to `stack`.

    Raises
    ------
    SourceError
        If an outside file is not there.
    NbshipError
        If something generated cannot be written.
    """
    project = work.project
    stack.callback(work.store.cache.clean_up)
    stack.callback(index_of(project).save)
    _refuse_missing(work, names)
    resources = [path for name in names for path in work.pipeline[name].resources.values()]
    for tracked in record_tracked_data(project.root, resources, work.digests, work.store):
        work.progress.note(f"'{tracked.removesuffix('.dvc')}' changed; '{tracked}' records it.")
    for edit in sync(project, check_with_ploomber=False, plans=(work.pipeline, work.plans)).edits:
        work.progress.note(
            f"{edit}. This run uses params.yaml; `nbship sync --from-notebook` copies the notebook's value there."
        )
    _claim(work, repository, names, stack)
    # Only now is nobody else at work on these files.
    _tidy(work, names)


def _tidy(work: Work, names: Sequence[str]) -> None:
    """Delete what a killed run left half-written."""
    products = (path for name in names for path in work.declared[name].products)
    remove_temporary(work.project.root / path for path in (*_OWN_FILES, *products))
    work.store.cache.clean_up()


def _refuse_missing(work: Work, names: Iterable[str]) -> None:
    for name in names:
        for path in work.pipeline[name].resources.values():
            if not (work.project.root / path).exists():
                raise SourceError(
                    f"Stage '{name}' reads '{path}', which is not there. Get it with `dvc pull`, or with the project's install step."
                )


def _claim(work: Work, repository: Repository, names: Sequence[str], stack: ExitStack) -> None:
    root, stages = work.project.root, [work.declared[name] for name in (COPIES_STAGE, *names)]
    if repository.git:
        ignore_in_git(repository.git, (root / path for stage in stages for path in stage.cached))
    claimed = claim_files(
        repository,
        read=dict.fromkeys(root / path for stage in stages for path in stage.files),
        write=[root / path for stage in stages for path in stage.products],
        lock=work.store.lock,
        on_wait=lambda command: work.progress.note(f"'{command}' is running here. Waiting for it to finish."),
    )
    stack.enter_context(claimed)
