"""Preparations of a run before its first stage: checks, generated files, locks on files, removal of leftovers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from ..atomic_write import remove_temporary
from ..dvcstore import Repository, claim_files, create_empty_folders, ignore_in_git, record_tracked_data
from ..errors import PipelineError, SourceError
from ..notebook import Context
from ..pipeline import COPIES_STAGE, index_of, sync
from ..project import Project
from ..text import did_you_mean
from .update import StageUpdater

__all__ = ["check_not_nested", "open_run"]

_OWN_FILES = ("dvc.lock", "dvc.yaml", "params.yaml")


def check_not_nested(project: Project) -> None:
    """Check that a run is not started by a stage of the same project, because it would wait for itself.

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


def open_run(updater: StageUpdater, repository: Repository, names: Sequence[str], stack: ExitStack) -> list[Path]:
    """Prepare the stages `names`, and register the clean-up on `stack`; return the changed `.gitignore` files.

    Raises
    ------
    SourceError
        If an outside file does not exist.
    NbshipError
        If a generated file cannot be written.
    """
    project = updater.project
    stack.callback(updater.store.cache.clean_up)
    stack.callback(index_of(project).save)
    resources = [path for name in names for path in updater.pipeline[name].resources.values()]
    create_empty_folders(project.root, resources)
    _check_resources(updater, names)
    for tracked in record_tracked_data(repository, project.root, resources, updater.digests, updater.store):
        updater.progress.note(f"'{tracked.removesuffix('.dvc')}' changed; '{tracked}' records it.")
    for edit in sync(project, check_with_ploomber=False, plans=(updater.pipeline, updater.plans)).edits:
        updater.progress.note(
            f"{edit}. This run uses params.yaml; `nbship sync --from-notebook` copies the notebook's value there."
        )
    ignored = _claim_files(updater, repository, names, stack)
    # Only now does no other process write these files.
    _remove_leftovers(updater, names)
    return ignored


def _remove_leftovers(updater: StageUpdater, names: Sequence[str]) -> None:
    """Delete the temporary files of a killed run."""
    products = [updater.project.root / path for name in names for path in updater.declared[name].products]
    # DVC's cache has a .gitignore beside each product.
    ignored = {path.with_name(".gitignore") for path in products}
    remove_temporary([*(updater.project.root / path for path in _OWN_FILES), *products, *ignored])
    updater.store.cache.clean_up()


def _check_resources(updater: StageUpdater, names: Iterable[str]) -> None:
    for name in names:
        for path in updater.pipeline[name].resources.values():
            if not (updater.project.root / path).exists():
                raise SourceError(f"Stage '{name}' reads '{path}', which does not exist. {_remedy(updater, path)}")


def _remedy(updater: StageUpdater, path: PurePosixPath) -> str:
    folder = updater.project.root / path.parent
    beside = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    return did_you_mean(
        path.name,
        beside,
        otherwise="Correct the path in pipeline.yaml, or get the file with `dvc pull` or the project's install step.",
    )


def _claim_files(updater: StageUpdater, repository: Repository, names: Sequence[str], stack: ExitStack) -> list[Path]:
    root, stages = updater.project.root, [updater.declared[name] for name in (COPIES_STAGE, *names)]
    cached = [root / path for stage in stages for path in stage.cached]
    ignored = ignore_in_git(repository.git, cached) if repository.git else []
    claim = claim_files(
        repository,
        read=dict.fromkeys(Path(os.path.normpath(root / path)) for stage in stages for path in stage.files),
        write=[root / path for stage in stages for path in stage.products],
        lock=updater.store.lock,
        on_wait=lambda command: updater.progress.note(f"'{command}' is running here. Waiting for it to finish."),
    )
    stack.enter_context(claim)
    return ignored
