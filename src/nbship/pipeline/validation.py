"""Pipelines that cannot be run rightly: products that clash, lie outside, or are read without being declared."""

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

__all__ = ["refuse_clashes"]

# What a product would overwrite.
_OWN_FILES = {
    *("pipeline.yaml", "params.yaml", "nbship.yaml", "dvc.yaml", "dvc.lock", "env.yaml", "uv.lock"),
    *(".nbship", ".dvc", ".git"),
}


def refuse_clashes(root: Path, stages: Collection[Stage]) -> None:
    """Refuse stages whose products or inputs contradict each other.

    Paths count as the same where any system takes them for the same: through links, in another case, in another
    spelling of an accent.

    Raises
    ------
    PipelineError
        For a product that two stages write, that lies inside another or outside the project, or in the place of
        nbship's own files; and for a stage that reads another's product without naming it as its upstream.
    """
    places = _Places(root)
    owners: dict[str, tuple[Stage, PurePosixPath]] = {}
    for stage in stages:
        for path in stage.products.values():
            place = places(path)
            if place is None:
                raise PipelineError(
                    f"Stage '{stage.name}' has the product '{path}', which a link leads out of the project. Give it a place inside."
                )
            if place.partition("/")[0] in _OWN_FILES:
                raise PipelineError(
                    f"Task '{stage.name}' in pipeline.yaml has the product '{path}', where nbship and DVC keep their own files. Give it another place."
                )
            if place in owners:
                raise _both(owners[place], (stage, path))
            owners[place] = (stage, path)
    _refuse_nested(owners)
    for stage in stages:
        _refuse_undeclared(stage, owners, places)


class _Places:
    """Tells where a path leads to, relative to the root and in one spelling; None if out of the project."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = lru_cache(maxsize=None)(self._lead)

    def __call__(self, path: PurePosixPath) -> str | None:
        folder = self._folder(path.parent)
        return None if folder is None else _fold(posixpath.join(folder, path.name))

    def is_file(self, path: PurePosixPath) -> bool:
        return (self._root / path).is_file()

    def with_above(self, path: PurePosixPath) -> Iterator[str | None]:
        place = self(path)
        yield place
        yield from () if place is None else _above(place)

    def _lead(self, folder: PurePosixPath) -> str | None:
        # The path itself may be a link, as DVC makes them into its cache.
        real = Path(os.path.realpath(self._root / folder))
        if not real.is_relative_to(self._root):
            return None
        inner = real.relative_to(self._root).as_posix()
        return "" if inner == "." else inner


def _fold(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _both(one: tuple[Stage, PurePosixPath], other: tuple[Stage, PurePosixPath]) -> PipelineError:
    named = f"'{one[1]}'" if one[1] == other[1] else f"the same file, as '{one[1]}' and '{other[1]}'"
    if one[0].name == other[0].name:
        return PipelineError(f"Stage '{one[0].name}' writes {named} as two products. Give each a place of its own.")
    return PipelineError(
        f"Stages '{one[0].name}' and '{other[0].name}' both write {named}. Give each product a place of its own."
    )


def _refuse_nested(owners: Mapping[str, tuple[Stage, PurePosixPath]]) -> None:
    for place, (stage, path) in owners.items():
        for folder in _above(place):
            if folder in owners:
                other, outer = owners[folder]
                raise PipelineError(
                    f"The product '{path}' of stage '{stage.name}' lies inside '{outer}' of stage '{other.name}'. Separate them."
                )


def _refuse_undeclared(stage: Stage, owners: Mapping[str, tuple[Stage, PurePosixPath]], places: _Places) -> None:
    for path in (*stage.resources.values(), stage.notebook):
        owner = _owner(places(path), owners)
        if owner is not None:
            raise PipelineError(
                f"Stage '{stage.name}' reads '{path}' as an outside file, but stage '{owner[0].name}' makes it. "
                f"Name '{owner[0].name}' as its upstream instead."
            )
    for text in dict.fromkeys((*stage.mentions, *_texts(stage.params))):
        for path in _meant(text, stage.notebook.parent):
            owner = _owner(places(path), owners)
            if owner is not None and not _may_read(stage, *owner):
                raise _undeclared(stage, text, *owner)
    if not stage.is_python:
        _refuse_unread(stage, owners, places)


def _refuse_unread(stage: Stage, owners: Mapping[str, tuple[Stage, PurePosixPath]], places: _Places) -> None:
    """Refuse a notebook that names a file which its task does not declare, where nbship cannot read what it imports."""
    declared = {places(path) for path in (*stage.resources.values(), stage.notebook)}
    for text in dict.fromkeys((*stage.mentions, *_texts(stage.params))):
        found = [path for path in _meant(text, stage.notebook.parent) if places.is_file(path)]
        known = any(_owner(places(path), owners) or not declared.isdisjoint(places.with_above(path)) for path in found)
        if found and not known:
            raise PipelineError(
                f"Stage '{stage.name}' names the file '{found[0]}' in {stage.notebook}, and nbship cannot read what {stage.language} "
                f"code depends on. Add '{found[0].stem}: {found[0]}' to 'resources_' in the task's 'params' in pipeline.yaml."
            )


def _may_read(stage: Stage, owner: Stage, path: PurePosixPath) -> bool:
    return owner.name == stage.name or (owner.name in stage.upstream and path in owner.data_products.values())


def _undeclared(stage: Stage, text: str, owner: Stage, path: PurePosixPath) -> PipelineError:
    says = f"Stage '{stage.name}' names '{text}' in {stage.notebook} or its parameters, and stage '{owner.name}' makes '{path}'"
    if owner.name in stage.upstream:
        return PipelineError(f"{says}, an executed notebook or plot, which no stage can read. Read a product of data.")
    key = next(key for key, product in owner.products.items() if product == path)
    if not stage.is_python:
        return PipelineError(
            f"{says}, which is not its upstream. Add '{owner.name}' to the task's 'upstream' in pipeline.yaml."
        )
    return PipelineError(
        f"{says}, which is not its upstream. Add '{owner.name}' to `upstream` in the notebook, and read upstream['{owner.name}']['{key}']."
    )


def _owner(place: str | None, owners: Mapping[str, tuple[Stage, PurePosixPath]]) -> tuple[Stage, PurePosixPath] | None:
    if place is None:
        return None
    return next((owners[each] for each in (place, *_above(place)) if each in owners), None)


def _above(place: str) -> Iterator[str]:
    while place := place.rpartition("/")[0]:
        yield place


def _meant(text: str, folder: PurePosixPath) -> Iterator[PurePosixPath]:
    """Yield the paths inside the project that a text may mean: from the notebook's folder, or from the root."""
    for start in (folder, PurePosixPath()):
        path = posixpath.normpath(posixpath.join(start.as_posix(), text))
        if not path.startswith(("/", "../")) and path not in (".", ".."):
            yield PurePosixPath(path)


def _texts(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the strings that may name a file."""
    return (text for text in strings_in(params) if "/" in text or "." in text)
