"""The libraries that a stage uses, and their locked versions."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import PipelineError
from ..project import Project, read_cache_file, write_cache_file
from .file_index import index_of

__all__ = ["LIBRARIES", "LOCK", "Libraries", "places", "read_libraries"]

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
    distributions = _distributions(project.cache / "distributions.json", places())
    if lock.is_file():
        versions, requirements = _locked(lock, project.cache / "lock.json", index_of(project).md5(lock))
    else:
        versions, requirements = _installed(project.cache / "installed.json", places())
    return Libraries(versions, requirements, distributions)


@lru_cache(maxsize=8)
def _locked(lock: Path, cache: Path, md5: str | None) -> tuple[Mapping[str, str], Mapping[str, Sequence[str]]]:
    # TOML of a megabyte takes a quarter of a second to read, and every stage reads it.
    kept = _kept(cache, [md5])
    if kept is None:
        content = lock.read_bytes()
        kept = _parse_lock(content)
        write_cache_file(cache, {"key": [hashlib.md5(content, usedforsecurity=False).hexdigest()], "kept": kept})
    versions, requirements = kept
    return versions, requirements


def _kept(cache: Path, key: list[Any]) -> Any:
    content = read_cache_file(cache)
    return content["kept"] if isinstance(content, dict) and content.get("key") == key else None


def _parse_lock(content: bytes) -> tuple[Mapping[str, str], Mapping[str, Sequence[str]]]:
    import tomllib

    try:
        packages = tomllib.loads(content.decode())["package"]
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


@lru_cache(maxsize=4)
def _installed(
    cache: Path, places: tuple[tuple[str, int], ...]
) -> tuple[Mapping[str, str], Mapping[str, Sequence[str]]]:
    key = [list(place) for place in places]
    kept = _kept(cache, key)
    if kept is None:
        from .installed import ask_versions

        kept = ask_versions()
        write_cache_file(cache, {"key": key, "kept": kept})
    versions, requirements = kept
    return versions, requirements


def places() -> tuple[tuple[str, int], ...]:
    """Return the folders that are searched for modules, and when something was last installed there."""
    folders = [Path(place) for place in sys.path if place.endswith("-packages")]
    return tuple((str(folder), folder.stat().st_mtime_ns) for folder in folders if folder.is_dir())


@lru_cache(maxsize=4)
def _distributions(cache: Path, places: tuple[tuple[str, int], ...]) -> Mapping[str, Sequence[str]]:
    key = [list(place) for place in places]
    if (kept := _kept(cache, key)) is not None:
        return kept  # type: ignore[no-any-return]
    from .installed import ask_modules

    modules = ask_modules()
    write_cache_file(cache, {"key": key, "kept": modules})
    return modules
