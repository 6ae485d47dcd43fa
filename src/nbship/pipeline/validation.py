"""Reject pipelines with conflicting products, products outside the project, or undeclared inputs."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import PipelineError
from .placeholders import strings_in
from .stages import Stage

__all__ = ["reject_clashes"]

# Files and folders that a product must not overwrite.
_OWN_FILES = {
    *("pipeline.yaml", "params.yaml", "nbship.yaml", "dvc.yaml", "dvc.lock", "env.yaml", "uv.lock"),
    *(".nbship", ".dvc", ".git"),
}


def reject_clashes(root: Path, stages: Collection[Stage]) -> None:
    """Reject stages with conflicting products or undeclared inputs.

    Two paths conflict if they are the same file on any system: through symbolic links, on a file system that ignores
    case, or with another Unicode normalization.

        out/Data.csv and out/data.csv    the same file on macOS and Windows
        link/a.csv and out/a.csv         the same file if link -> out

    Raises
    ------
    PipelineError
        For a product that two stages write, that is inside another product, outside the project, or among the files of
        nbship and DVC; and for a stage that reads a product of a stage that is not its upstream.
    """
    resolver = _PathResolver(root)
    owners: dict[str, tuple[Stage, PurePosixPath]] = {}
    for stage in stages:
        for path in stage.products.values():
            resolved = resolver(path)
            if resolved is None:
                raise PipelineError(
                    f"Stage '{stage.name}' has the product '{path}', which is outside the project through a symbolic link. Choose a path inside the project."
                )
            if resolved.partition("/")[0] in _OWN_FILES:
                raise PipelineError(
                    f"Task '{stage.name}' in pipeline.yaml has the product '{path}', which is reserved for nbship and DVC. Choose another path."
                )
            if resolved in owners:
                raise _conflict(owners[resolved], (stage, path))
            owners[resolved] = (stage, path)
    _reject_nested(owners)
    for stage in stages:
        _reject_undeclared(stage, owners, resolver)


class _PathResolver:
    """Returns the path that a path refers to, relative to the root and case-folded; None outside the project."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = lru_cache(maxsize=None)(self._resolve)

    def __call__(self, path: PurePosixPath) -> str | None:
        folder = self._folder(path.parent)
        return None if folder is None else _fold(posixpath.join(folder, path.name))

    def is_file(self, path: PurePosixPath) -> bool:
        return (self._root / path).is_file()

    def with_parents(self, path: PurePosixPath) -> Iterator[str | None]:
        resolved = self(path)
        yield resolved
        yield from () if resolved is None else _parents(resolved)

    def _resolve(self, folder: PurePosixPath) -> str | None:
        # Only the folder is resolved: the path itself may be a link into DVC's cache.
        real = Path(os.path.realpath(self._root / folder))
        if not real.is_relative_to(self._root):
            return None
        inner = real.relative_to(self._root).as_posix()
        return "" if inner == "." else inner


def _fold(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _conflict(one: tuple[Stage, PurePosixPath], other: tuple[Stage, PurePosixPath]) -> PipelineError:
    named = f"'{one[1]}'" if one[1] == other[1] else f"the same file, as '{one[1]}' and '{other[1]}'"
    if one[0].name == other[0].name:
        return PipelineError(f"Stage '{one[0].name}' writes {named} as two products. Choose different paths.")
    return PipelineError(f"Stages '{one[0].name}' and '{other[0].name}' both write {named}. Choose different paths.")


def _reject_nested(owners: Mapping[str, tuple[Stage, PurePosixPath]]) -> None:
    for resolved, (stage, path) in owners.items():
        for folder in _parents(resolved):
            if folder in owners:
                other, outer = owners[folder]
                raise PipelineError(
                    f"The product '{path}' of stage '{stage.name}' is inside '{outer}' of stage '{other.name}'. Choose separate paths."
                )


def _reject_undeclared(
    stage: Stage, owners: Mapping[str, tuple[Stage, PurePosixPath]], resolver: _PathResolver
) -> None:
    for path in (*stage.resources.values(), stage.notebook):
        owner = _owner(resolver(path), owners)
        if owner is not None:
            raise PipelineError(
                f"Stage '{stage.name}' reads '{path}' as a resource, but stage '{owner[0].name}' writes it. "
                f"Add '{owner[0].name}' to its upstream instead."
            )
    for text in dict.fromkeys((*stage.possible_paths, *_strings(stage.params))):
        for path in _possible_paths(text, stage.notebook.parent):
            owner = _owner(resolver(path), owners)
            if owner is not None and not _may_read(stage, *owner):
                raise _undeclared(stage, text, *owner)
    if not stage.is_python:
        _reject_undeclared_files(stage, owners, resolver)


def _reject_undeclared_files(
    stage: Stage, owners: Mapping[str, tuple[Stage, PurePosixPath]], resolver: _PathResolver
) -> None:
    """Reject a notebook in another language that names an undeclared file."""
    declared = {resolver(path) for path in (*stage.resources.values(), stage.notebook)}
    for text in dict.fromkeys((*stage.possible_paths, *_strings(stage.params))):
        found = [path for path in _possible_paths(text, stage.notebook.parent) if resolver.is_file(path)]
        known = any(
            _owner(resolver(path), owners) or not declared.isdisjoint(resolver.with_parents(path)) for path in found
        )
        if found and not known:
            raise PipelineError(
                f"Stage '{stage.name}' names the file '{found[0]}' in {stage.notebook}, but nbship cannot find the dependencies "
                f"of {stage.language} code. Add '{found[0].stem}: {found[0]}' to 'resources_' in the task's 'params' in pipeline.yaml."
            )


def _may_read(stage: Stage, owner: Stage, path: PurePosixPath) -> bool:
    return owner.name == stage.name or (owner.name in stage.upstream and path in owner.data_products.values())


def _undeclared(stage: Stage, text: str, owner: Stage, path: PurePosixPath) -> PipelineError:
    fact = f"Stage '{stage.name}' names '{text}' in {stage.notebook} or its parameters"
    if owner.name in stage.upstream:
        return PipelineError(
            f"{fact}, but stages cannot read executed notebooks and plots. Read a data product of stage '{owner.name}'."
        )
    fact += f", but stage '{owner.name}', which writes '{path}', is not its upstream"
    if not stage.is_python:
        return PipelineError(f"{fact}. Add '{owner.name}' to the task's 'upstream' in pipeline.yaml.")
    key = next(key for key, product in owner.products.items() if product == path)
    return PipelineError(
        f"{fact}. Add '{owner.name}' to `upstream` in the notebook, and read upstream['{owner.name}']['{key}']."
    )


def _owner(
    resolved: str | None, owners: Mapping[str, tuple[Stage, PurePosixPath]]
) -> tuple[Stage, PurePosixPath] | None:
    if resolved is None:
        return None
    return next((owners[each] for each in (resolved, *_parents(resolved)) if each in owners), None)


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _possible_paths(text: str, folder: PurePosixPath) -> Iterator[PurePosixPath]:
    """Yield the paths inside the project that a string may refer to, from the notebook's folder or the root."""
    for start in (folder, PurePosixPath()):
        path = posixpath.normpath(posixpath.join(start.as_posix(), text))
        if not path.startswith(("/", "../")) and path not in (".", ".."):
            yield PurePosixPath(path)


def _strings(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the strings that could be paths."""
    return (text for text in strings_in(params) if "/" in text or "." in text)
