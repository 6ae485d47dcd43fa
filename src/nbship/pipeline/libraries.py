"""The libraries that a stage uses, and their locked versions."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import PipelineError
from ..project import Project
from .files import write_whole

__all__ = ["LIBRARIES", "LOCK", "Libraries", "read_libraries"]

LOCK = PurePosixPath("uv.lock")
LIBRARIES = PurePosixPath(".nbship/cache/libraries.json")


@dataclass(frozen=True)
class Libraries:
    """Distributions, by normalised name.

    Attributes
    ----------
    versions
        Locked versions (all, where the lock file has several for several platforms); installed ones where
        there is no lock file.
    requirements
        What each distribution requires.
    distributions
        Which distributions give a top-level module, here.
    """

    versions: Mapping[str, str]
    requirements: Mapping[str, Sequence[str]]
    distributions: Mapping[str, Sequence[str]]

    def needed(self, modules: Iterable[str]) -> tuple[str, ...]:
        """Return the distributions that give these top-level modules, and all that they require, sorted."""
        waiting = [name for module in modules for name in self.distributions.get(module, ())]
        found: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in found and name in self.versions:
                found.add(name)
                waiting.extend(self.requirements.get(name, ()))
        return tuple(sorted(found))

    def to_json(self) -> str:
        """Return what `libraries.json` holds."""
        return json.dumps(dict(sorted(self.versions.items())), indent=1) + "\n"


def read_libraries(project: Project) -> Libraries:
    """Read `uv.lock`, or where there is none, what is installed.

    Raises
    ------
    PipelineError
        If the lock file is broken.
    """
    lock = project.root / LOCK
    distributions = _distributions(project.cache / "distributions.json", _places())
    if lock.is_file():
        stat = lock.stat()
        versions, requirements = _locked(lock, project.cache / "lock.json", (stat.st_size, stat.st_mtime_ns))
    else:
        versions, requirements = _installed()
    return Libraries(versions, requirements, distributions)


@lru_cache(maxsize=8)
def _locked(lock: Path, cache: Path, stat: tuple[int, int]) -> tuple[Mapping[str, str], Mapping[str, Sequence[str]]]:
    # TOML of a megabyte takes a quarter of a second to read, and every stage reads it.
    kept = _kept(cache, key := [str(lock), *stat])
    if kept is None:
        kept = _parse_lock(lock)
        write_whole(cache, json.dumps({"key": key, "kept": kept}))
    versions, requirements = kept
    return versions, requirements


def _kept(cache: Path, key: list[Any]) -> Any:
    try:
        content = json.loads(cache.read_text(encoding="utf-8"))
        return content["kept"] if content["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _parse_lock(lock: Path) -> tuple[Mapping[str, str], Mapping[str, Sequence[str]]]:
    try:
        packages = tomllib.loads(lock.read_text(encoding="utf-8"))["package"]
    except (tomllib.TOMLDecodeError, KeyError, UnicodeDecodeError) as error:
        raise PipelineError(f"'{LOCK}' cannot be read: {error}. Write it anew with `uv lock`.") from error
    versions: dict[str, list[str]] = {}
    requirements: dict[str, list[str]] = {}
    for package in packages:
        # A package of this very project has no version of its own that counts: its modules do.
        if not {"editable", "virtual"} & set(package.get("source", {})):
            versions.setdefault(package["name"], []).append(str(package.get("version", "")))
            requirements.setdefault(package["name"], []).extend(_locked_requirements(package))
    return {name: " ".join(sorted(each)) for name, each in versions.items()}, requirements


def _locked_requirements(package: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a locked package requires on any platform, so that dvc.yaml is the same on all of them."""
    yield from (needed["name"] for needed in package.get("dependencies", ()))
    for extra in package.get("optional-dependencies", {}).values():
        yield from (needed["name"] for needed in extra)


@lru_cache(maxsize=1)
def _installed() -> tuple[Mapping[str, str], Mapping[str, Sequence[str]]]:
    found = {_normal(each.metadata["Name"]): each for each in metadata.distributions() if each.metadata["Name"]}
    return (
        {name: each.version for name, each in found.items()},
        {name: tuple(_requirements(each)) for name, each in found.items()},
    )


def _requirements(distribution: metadata.Distribution) -> Iterable[str]:
    for line in distribution.requires or ():
        text, _, marker = line.partition(";")
        if "extra" not in marker and _applies_marker(marker.strip() or None):
            name = re.match(r"[A-Za-z0-9._-]+", text)
            if name:
                yield _normal(name[0])


def _places() -> tuple[tuple[str, int], ...]:
    """Return the folders that are searched for modules, and when something was last installed there."""
    folders = [Path(place) for place in sys.path if place.endswith("-packages")]
    return tuple((str(folder), folder.stat().st_mtime_ns) for folder in folders if folder.is_dir())


@lru_cache(maxsize=4)
def _distributions(cache: Path, places: tuple[tuple[str, int], ...]) -> Mapping[str, Sequence[str]]:
    # Reading the files of every installed distribution takes most of a second.
    key = [list(place) for place in places]
    if (kept := _kept(cache, key)) is not None:
        return kept  # type: ignore[no-any-return]
    modules = {module: sorted(set(map(_normal, names))) for module, names in metadata.packages_distributions().items()}
    write_whole(cache, json.dumps({"key": key, "kept": modules}))
    return modules


@lru_cache(maxsize=512)
def _applies_marker(marker: str | None) -> bool:
    if marker is None:
        return True
    from packaging.markers import Marker

    return Marker(marker).evaluate()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
