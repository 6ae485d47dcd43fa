"""Digests as DVC records them, kept by each file's size and times so that what is unchanged is not read."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ..project import read_cache_file, write_cache_file

__all__ = ["Digests", "Mark", "files_in", "mark_of", "md5_of_file", "md5_of_folder", "md5_of_text", "render_folder"]

# A file changed twice within one tick of the file system's clock has one time: a mark so young proves nothing.
_TICK, _COARSE_TICK = 50_000_000, 2_000_000_000
_LARGE = 8 << 20
# What DVC never looks at.
_SKIPPED = {".git", ".hg", ".dvc"}


def md5_of_text(text: str) -> str:
    """Return the md5 of a text's UTF-8 bytes.

    >>> md5_of_text("")
    'd41d8cd98f00b204e9800998ecf8427e'
    """
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def md5_of_file(path: Path | str) -> str:
    """Return the md5 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def md5_of_folder(files: Mapping[str, str]) -> str:
    """Return the digest of a folder, which ends with `.dir`, from its files: path within it -> md5.

    >>> md5_of_folder({})
    'd751713988987e9331980363e24189ce.dir'
    """
    return f"{md5_of_text(render_folder(files))}.dir"


def render_folder(files: Mapping[str, str]) -> str:
    """Return the listing of a folder, whose md5 is the folder's.

    >>> render_folder({"b": "2", "a": "1"})
    '[{"md5": "1", "relpath": "a"}, {"md5": "2", "relpath": "b"}]'
    """
    return json.dumps([{"md5": files[name], "relpath": name} for name in sorted(files)])


def files_in(folder: Path | str) -> Iterator[tuple[str, str]]:
    """Yield the path within the folder, and the whole path, of every file below it that DVC would look at."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        for found in (Path(place, name) for name in names):
            if found.is_file():
                yield found.relative_to(folder).as_posix(), str(found)


class Mark(NamedTuple):
    """What tells that a file was not changed: size, times in nanoseconds, inode.

    Attributes
    ----------
    settled
        Whether a later change gets another time for certain.
    """

    size: int
    mtime: int
    ctime: int
    inode: int
    settled: bool


def mark_of(info: os.stat_result) -> Mark:
    """Return the mark of a file whose `stat` was taken just now."""
    tick = _TICK if info.st_mtime_ns % 1_000_000_000 else _COARSE_TICK
    settled = max(info.st_mtime_ns, info.st_ctime_ns) + tick < time.time_ns()
    return Mark(info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino, settled)


class Digests:
    """md5 of files, and of folders as DVC makes it, remembered in a file that may be deleted or damaged at any time.

    Several threads may use one object.

    Parameters
    ----------
    index
        Where the digests are kept.
    """

    def __init__(self, index: Path) -> None:
        self._index = index
        found = read_cache_file(index)
        self._kept: dict[str, list[int | str]] = found if isinstance(found, dict) else {}
        self._changed = False
        self._saving = threading.Lock()

    def md5(self, path: Path | str) -> str | None:
        """Return the digest of what is at `path`, with `.dir` behind it for a folder; None if nothing is."""
        name = os.fspath(path)
        try:
            info = os.stat(name)  # noqa: PTH116 - thousands of files: a Path costs as much as the question
        except OSError:
            return None
        if stat.S_ISREG(info.st_mode):
            return self._file(name, info)
        if not stat.S_ISDIR(info.st_mode):
            return None
        files = self.files(name)
        return None if files is None else md5_of_folder(files)

    def files(self, folder: Path | str) -> dict[str, str] | None:
        """Return the files of a folder: path within it -> md5; None if one vanishes meanwhile."""
        found = {inner: self.md5(path) for inner, path in files_in(folder)}
        known = {inner: md5 for inner, md5 in found.items() if md5 is not None}
        return known if len(known) == len(found) else None

    def keep(self, path: Path | str, mark: Mark, md5: str) -> None:
        """Remember a digest that was found elsewhere, of the content that the file had when `mark` was taken."""
        self._kept[os.fspath(path)] = [*mark, md5]
        self._changed = True

    def save(self) -> None:
        """Keep what was learnt."""
        with self._saving:
            if self._changed:
                self._changed = False
                write_cache_file(self._index, dict(self._kept))

    def _file(self, name: str, info: os.stat_result) -> str | None:
        kept = self._kept.get(name)
        if kept is not None and kept[4] and kept[:4] == [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]:
            return str(kept[5])
        mark = mark_of(info)
        if not mark.settled and info.st_size > _LARGE:
            # To read it again next time costs more than to wait until its time proves something.
            time.sleep(2 * _TICK / 1e9)
            mark = mark_of(Path(name).stat())
        try:
            digest = md5_of_file(name)
        except FileNotFoundError:
            return None
        self.keep(name, mark, digest)
        return digest
