"""The digests of a project's files and results derived from them, cached across processes."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..dvcstore import Digests, md5_of_text
from ..project import Project
from .result_cache import ResultCache

__all__ = ["FileIndex", "index_at", "index_of", "list_importable"]


class FileIndex:
    """Digests of files, results derived from file contents, and a record of every look-up.

    A conclusion such as "all stages are up to date" depends only on the recorded look-ups. As long as all of them
    give the same answers, the conclusion holds:

        index.start_record()
        index.md5("params.yaml")          # recorded in `files`
        index.importable_names("src")     # recorded in `folders`
        write_snapshot(...)               # later: compare both, and nothing else has to be read

    Parameters
    ----------
    cache
        The project's cache folder.
    """

    def __init__(self, cache: Path) -> None:
        self.digests = Digests(cache / "digests.json")
        self.results = ResultCache(cache / "memo.json")
        self.objects: dict[str, Any] = {}  # results that cannot be stored, with what they depend on
        self.start_record()

    def start_record(self) -> None:
        """Start a new record; the caller sets `environment`."""
        self.environment: list[Any] | None = None
        self.files: dict[str, str | None] = {}
        self.folders: dict[str, str] = {}
        self.consistent = True

    def md5(self, path: Path | str) -> str | None:
        """Return the digest of a file or folder, as `Digests.md5`, and record it."""
        found = self.digests.md5(path)
        self.record(path, found)
        return found

    def record(self, path: Path | str, md5: str | None) -> None:
        """Record the digest of a file; another digest than before makes the record inconsistent."""
        name = os.fspath(path)
        self.consistent &= self.files.setdefault(name, md5) == md5

    def importable_names(self, folder: Path) -> frozenset[str]:
        """Return the modules and folders in a folder, and record them; folders end with `/`."""
        names, digest = list_importable(folder)
        self.consistent &= self.folders.setdefault(os.fspath(folder), digest) == digest
        return names

    def save(self) -> None:
        """Write new digests and results to the cache."""
        self.digests.save()
        self.results.save()


@lru_cache(maxsize=8)
def index_at(cache: Path) -> FileIndex:
    """Return the index of a cache folder; there is one per process."""
    return FileIndex(cache)


def index_of(project: Project) -> FileIndex:
    """Return a project's index."""
    return index_at(project.cache)


def list_importable(folder: Path | str) -> tuple[frozenset[str], str]:
    """Return the importable names in a folder (folders end with `/`), and their digest."""
    try:
        with os.scandir(folder) as entries:
            names = frozenset(filter(None, map(_importable, entries)))
    except OSError:
        names = frozenset()
    return names, md5_of_text("\n".join(sorted(names)))


def _importable(entry: os.DirEntry[str]) -> str:
    name = entry.name
    if name.endswith(".py"):
        return name if entry.is_file() else ""
    return f"{name}/" if name.isidentifier() and name != "__pycache__" and entry.is_dir() else ""
