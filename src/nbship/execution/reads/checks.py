"""Compare what a kernel read, modules and files, with what its stage declares."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath

from ...errors import UndeclaredImportError, UndeclaredReadError
from ...pipeline import Pipeline, Stage
from ...project import Project
from .policy import ReadPolicy

__all__ = ["check_modules", "check_reads", "read_policy"]

_LIBRARIES = {"site-packages", "dist-packages"}


def check_modules(modules: Mapping[str, str], *, project: Project, stage: str, declared: Collection[str]) -> None:
    """Check that a stage declares all project code that its kernel loaded.

    Parameters
    ----------
    modules
        Files of the loaded modules, by module name.
    declared
        The stage's dependencies, relative to the root.

    Raises
    ------
    UndeclaredImportError
        For an undeclared module of this project, or a module of its packages loaded from another folder.
    """
    root = project.root.resolve()
    packages = _project_packages(project)
    for name, file in sorted(modules.items()):
        path = _resolved(file)
        inside = path.is_relative_to(root) and not _is_library(path)
        if not inside and name.partition(".")[0] in packages:
            raise UndeclaredImportError(
                f"Stage '{stage}' loaded the module '{name}' from '{path}', which is outside this project at '{root}'. "
                f"Remove that folder from the module path (an installed copy, `sys.path` or a `.pth` file)."
            )
        if inside and path.relative_to(root).as_posix() not in declared:
            raise UndeclaredImportError(
                f"Stage '{stage}' loaded the module '{name}', which dvc.yaml does not declare: no import statement names it. "
                f"Add `import {name}` to the notebook, run `nbship sync`, then run again."
            )


def check_reads(reads: Collection[str], policy: ReadPolicy) -> None:
    """Check that a kernel read no file that its stage does not declare.

    Raises
    ------
    UndeclaredReadError
        For the first one.
    """
    for path in reads:
        raise UndeclaredReadError(policy.problem(path))


def read_policy(project: Project, pipeline: Pipeline, stage: Stage, *, files: Collection[str]) -> ReadPolicy:
    """Return what a stage may read: its inputs `files`, its notebook and its products."""
    declared = dict.fromkeys([*files, str(stage.notebook), *map(str, stage.products.values())])
    others = {
        str(path): _remedy(stage, owner, key)
        for owner in pipeline.stages.values()
        for key, path in owner.products.items()
        if str(path) not in declared
    }
    caches = tuple(PurePosixPath(each).as_posix() for each in project.settings.project.caches)
    return ReadPolicy(stage.name, str(project.root.resolve()), tuple(declared), others, caches)


def _remedy(stage: Stage, owner: Stage, key: str) -> str:
    """Return what to do if `stage` reads the product `key` of another stage."""
    if key not in owner.data_products:
        return f"Stages cannot read executed notebooks and plots: read a data product of stage '{owner.name}'."
    if not stage.is_python:
        return f"Add '{owner.name}' to the task's 'upstream' in pipeline.yaml."
    return f"Add '{owner.name}' to `upstream` in the notebook, and read upstream['{owner.name}']['{key}']."


@lru_cache(maxsize=8192)
def _resolved(file: str) -> Path:
    # The stages of a run load the same libraries, thousands of files.
    return Path(file).resolve()


def _project_packages(project: Project) -> set[str]:
    source = project.source
    if not source.is_dir():
        return set()
    packages = {path.parent.name for path in source.glob("*/*.py")}
    return packages | {path.stem for path in source.glob("*.py")}


def _is_library(path: Path) -> bool:
    return not _LIBRARIES.isdisjoint(path.parts) or path.is_relative_to(Path(sys.prefix).resolve())
