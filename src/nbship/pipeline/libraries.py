"""The libraries of a stage, and their locked versions."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import PipelineError
from ..project import Project, read_cache_file, write_cache_file
from .file_index import index_of

__all__ = ["LIBRARIES", "LOCK", "Libraries", "library_folders", "lock_files", "read_libraries"]

LOCK = PurePosixPath("uv.lock")
# Lock files of other tools: nbship records the installed versions, and a change of one of these files means new ones.
_OTHER_LOCKS = ("poetry.lock", "pdm.lock", "pixi.lock", "Pipfile.lock", "conda-lock.yml", "pylock.toml")
_PINNED = re.compile(r"[\w.\[\],-]+ *==[^*]+|-.*")
LIBRARIES = PurePosixPath(".nbship/cache/libraries.json")


@dataclass(frozen=True)
class Libraries:
    """Distributions, by normalized name.

    Attributes
    ----------
    versions
        Locked versions (all of them, if the lock file has one for each platform); without a lock file,
        installed versions.
    requirements
        The requirements of each distribution.
    distributions
        The installed distributions that contain a top-level module.
    """

    versions: Mapping[str, str]
    requirements: Mapping[str, Sequence[str]]
    distributions: Mapping[str, Sequence[str]]

    def required_by(self, modules: Iterable[str]) -> tuple[str, ...]:
        """Return the distributions of these top-level modules and all their requirements, sorted."""
        pending = [name for module in modules for name in self.distributions.get(module, ())]
        found: set[str] = set()
        while pending:
            name = pending.pop()
            if name not in found and name in self.versions:
                found.add(name)
                pending.extend(self.requirements.get(name, ()))
        return tuple(sorted(found))

    def to_json(self) -> str:
        """Return the content of `libraries.json`."""
        return json.dumps(dict(sorted(self.versions.items())), indent=1) + "\n"


def read_libraries(project: Project) -> Libraries:
    """Read `uv.lock`, or without it the installed distributions.

    Raises
    ------
    PipelineError
        If the lock file is not valid.
    """
    lock = project.root / LOCK
    distributions = _distributions(project.cache / "distributions.json", library_folders())
    if lock.is_file():
        versions, requirements = _locked(lock, project.cache / "lock.json", index_of(project).md5(lock))
    else:
        versions, requirements = _installed(project.cache / "installed.json", library_folders())
    return Libraries(versions, requirements, distributions)


def lock_files(project: Project) -> list[PurePosixPath]:
    """Return the files of a project that pin the versions of its libraries.

    These are lock files, and a `requirements.txt` in which every line is `name==version`.
    """
    names = [str(LOCK), *_OTHER_LOCKS]
    found = [PurePosixPath(name) for name in names if index_of(project).md5(project.root / name) is not None]
    requirements = project.root / "requirements.txt"
    if index_of(project).md5(requirements) is not None and _is_pinned(requirements):
        found.append(PurePosixPath(requirements.name))
    return found


def _is_pinned(requirements: Path) -> bool:
    text = requirements.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ")
    lines = [line.partition(" #")[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    return bool(lines) and all(
        _PINNED.fullmatch(line) and not line.startswith(("-r", "-e", "--req", "--ed")) for line in lines
    )


@lru_cache(maxsize=8)
def _locked(lock: Path, cache: Path, md5: str | None) -> tuple[Mapping[str, str], Mapping[str, Sequence[str]]]:
    # Parsing a megabyte of TOML takes a quarter of a second, and every stage needs the result.
    cached = _read_cached(cache, [md5])
    if cached is None:
        content = lock.read_bytes()
        cached = _parse_lock(content)
        write_cache_file(cache, {"key": [hashlib.md5(content, usedforsecurity=False).hexdigest()], "kept": cached})
    versions, requirements = cached
    return versions, requirements


def _read_cached(cache: Path, key: list[Any]) -> Any:
    content = read_cache_file(cache)
    return content["kept"] if isinstance(content, dict) and content.get("key") == key else None


def _parse_lock(content: bytes) -> tuple[Mapping[str, str], Mapping[str, Sequence[str]]]:
    import tomllib

    try:
        packages = tomllib.loads(content.decode())["package"]
    except (tomllib.TOMLDecodeError, KeyError, UnicodeDecodeError) as error:
        raise PipelineError(f"'{LOCK}' cannot be read: {error}. Create it again with `uv lock`.") from error
    versions: dict[str, list[str]] = {}
    requirements: dict[str, list[str]] = {}
    for package in packages:
        # The version of the project itself does not count: its modules are dependencies.
        if not {"editable", "virtual"} & set(package.get("source", {})):
            versions.setdefault(package["name"], []).append(str(package.get("version", "")))
            requirements.setdefault(package["name"], []).extend(_locked_requirements(package))
    return {name: " ".join(sorted(each)) for name, each in versions.items()}, requirements


def _locked_requirements(package: Mapping[str, Any]) -> Iterator[str]:
    """Yield the requirements of a locked package on all platforms, so that dvc.yaml is the same on each."""
    yield from (needed["name"] for needed in package.get("dependencies", ()))
    for extra in package.get("optional-dependencies", {}).values():
        yield from (needed["name"] for needed in extra)


@lru_cache(maxsize=4)
def _installed(
    cache: Path, folders: tuple[tuple[str, int], ...]
) -> tuple[Mapping[str, str], Mapping[str, Sequence[str]]]:
    key = [list(folder) for folder in folders]
    cached = _read_cached(cache, key)
    if cached is None:
        from .installed import read_installed_versions

        cached = read_installed_versions()
        write_cache_file(cache, {"key": key, "kept": cached})
    versions, requirements = cached
    return versions, requirements


def library_folders() -> tuple[tuple[str, int], ...]:
    """Return the folders with installed libraries, and the time of the last installation in each."""
    folders = [Path(path) for path in sys.path if path.endswith("-packages")]
    return tuple((str(folder), folder.stat().st_mtime_ns) for folder in folders if folder.is_dir())


@lru_cache(maxsize=4)
def _distributions(cache: Path, folders: tuple[tuple[str, int], ...]) -> Mapping[str, Sequence[str]]:
    key = [list(folder) for folder in folders]
    if (cached := _read_cached(cache, key)) is not None:
        return cached  # type: ignore[no-any-return]
    from .installed import read_installed_modules

    modules = read_installed_modules()
    write_cache_file(cache, {"key": key, "kept": modules})
    return modules
