"""Digests of files and folders as DVC records them, cached by the size and times of each file."""

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
from .ignored import IgnoreRules

__all__ = [
    "Digests",
    "FileStamp",
    "files_in",
    "md5_of_file",
    "md5_of_folder",
    "md5_of_text",
    "render_folder",
    "stamp_of",
]

# Two changes within one tick of the file system's clock give the same timestamp, so a recent stamp is not reliable:
#     12:00:00.004  the file is written (timestamp .004) and digested
#     12:00:00.006  it is written again: still .004, and the same size
#     A digest is reused only if its stamp was taken at least one tick after the timestamp.
_TICK, _COARSE_TICK = 50_000_000, 2_000_000_000
_LARGE = 8 << 20
# Folders that DVC ignores.
_SKIPPED = {".git", ".hg", ".dvc"}


def md5_of_text(text: str) -> str:
    """Return the md5 of a string in UTF-8.

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
    rules = IgnoreRules(Path(folder))
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        if rules:
            folders[:] = [name for name in folders if not rules.match(str(Path(parent, name)), is_folder=True)]
            names[:] = [name for name in names if not rules.match(str(Path(parent, name)))]
        for found in (Path(parent, name) for name in names):
            if found.is_file():
                yield found.relative_to(folder).as_posix(), str(found)


class FileStamp(NamedTuple):
    """Size, times in nanoseconds and inode of a file, to detect changes.

    Attributes
    ----------
    reliable
        Whether every later change is certain to get another timestamp.
    """

    size: int
    mtime: int
    ctime: int
    inode: int
    reliable: bool


def stamp_of(info: os.stat_result) -> FileStamp:
    """Return the stamp of a file from a `stat` taken just now."""
    tick = _TICK if info.st_mtime_ns % 1_000_000_000 else _COARSE_TICK
    reliable = max(info.st_mtime_ns, info.st_ctime_ns) + tick < time.time_ns()
    return FileStamp(info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino, reliable)


class Digests:
    """The md5 of files and folders, as in DVC, with a cache file that may be deleted or damaged at any time.

    Safe to use from several threads.

    Parameters
    ----------
    index
        The cache file.
    """

    def __init__(self, index: Path) -> None:
        self._index = index
        found = read_cache_file(index)
        self._cached: dict[str, list[int | str]] = found if isinstance(found, dict) else {}
        self._changed = False
        self._saving = threading.Lock()

    def md5(self, path: Path | str) -> str | None:
        """Return the md5 of a file, or the digest of a folder, which ends with `.dir`; None if the path does not exist."""
        name = os.fspath(path)
        try:
            info = os.stat(name)  # noqa: PTH116 - thousands of files: creating a Path takes as long as the call
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

    def remember(self, path: Path | str, stamp: FileStamp, md5: str) -> None:
        """Store a digest that was computed elsewhere, of the content at the time of `stamp`."""
        self._cached[os.fspath(path)] = [*stamp, md5]
        self._changed = True

    def save(self) -> None:
        """Write new digests to the cache file."""
        with self._saving:
            if self._changed:
                self._changed = False
                write_cache_file(self._index, dict(self._cached))

    def _file(self, name: str, info: os.stat_result) -> str | None:
        cached = self._cached.get(name)
        if (
            cached is not None
            and cached[4]
            and cached[:4] == [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]
        ):
            return str(cached[5])
        stamp = stamp_of(info)
        if not stamp.reliable and info.st_size > _LARGE:
            # Reading the file again next time takes longer than waiting for a reliable stamp.
            time.sleep(2 * _TICK / 1e9)
            stamp = stamp_of(Path(name).stat())
        try:
            digest = md5_of_file(name)
        except FileNotFoundError:
            return None
        self.remember(name, stamp, digest)
        return digest
