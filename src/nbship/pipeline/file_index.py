"""What a project's files hold, at the cost of a question to the file system for each."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..dvcstore import Digests, md5_of_text
from ..project import Project
from .result_cache import Memo

__all__ = ["Index", "index_at", "index_of", "list_code"]


class Index:
    """Digests of files, what was found out by them, and notes of all that was asked.

    The notes are what a judgement rests on: where every one of them still holds, so does the judgement.

    Parameters
    ----------
    cache
        The project's cache folder.
    """

    def __init__(self, cache: Path) -> None:
        self.digests = Digests(cache / "digests.json")
        self.memo = Memo(cache / "memo.json")
        self.made: dict[str, Any] = {}  # in this process, with what it was made from
        self.begin()

    def begin(self) -> None:
        """Begin new notes; what else a judgement rests on is for the caller to set."""
        self.environment: list[Any] | None = None
        self.files: dict[str, str | None] = {}
        self.folders: dict[str, str] = {}
        self.steady = True

    def md5(self, path: Path | str) -> str | None:
        """Return the digest of what is at `path`, as `Digests.md5`, and note it."""
        found = self.digests.md5(path)
        self.note(path, found)
        return found

    def note(self, path: Path | str, md5: str | None) -> None:
        """Note which content of a file was looked at."""
        name = os.fspath(path)
        self.steady &= self.files.setdefault(name, md5) == md5

    def code_in(self, folder: Path) -> frozenset[str]:
        """Return the names of modules and folders in a folder, and note them; a folder's name ends in `/`."""
        names, mark = list_code(folder)
        self.steady &= self.folders.setdefault(os.fspath(folder), mark) == mark
        return names

    def save(self) -> None:
        """Keep what was learnt."""
        self.digests.save()
        self.memo.save()


@lru_cache(maxsize=8)
def index_at(cache: Path) -> Index:
    """Return the index of a cache folder: one for the whole process."""
    return Index(cache)


def index_of(project: Project) -> Index:
    """Return a project's index."""
    return index_at(project.cache)


def list_code(folder: Path | str) -> tuple[frozenset[str], str]:
    """Return the names in a folder that an import could find, a folder's with `/` behind it, and their digest."""
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
