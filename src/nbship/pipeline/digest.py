"""Digests as DVC records them, kept by each file's size and times so that what is unchanged is not read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from .files import write_whole

__all__ = ["Digests", "md5_of_text"]


def md5_of_text(text: str) -> str:
    """Return the md5 of a text's UTF-8 bytes.

    >>> md5_of_text("")
    'd41d8cd98f00b204e9800998ecf8427e'
    """
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class Digests:
    """md5 of files, and of folders as DVC makes it, remembered in a file that may be deleted at any time.

    Parameters
    ----------
    index
        Where the digests are kept.
    """

    def __init__(self, index: Path) -> None:
        self._index = index
        self._kept = _read(index)
        self._changed = False

    def md5(self, path: Path) -> str | None:
        """Return the digest of what is at `path`, with `.dir` behind it for a folder; None if nothing is."""
        if path.is_file():
            return self._file(path)
        if not path.is_dir():
            return None
        files = sorted(found.relative_to(path).as_posix() for found in path.rglob("*") if found.is_file())
        listed = [{"md5": self._file(path / name), "relpath": name} for name in files]
        return md5_of_text(json.dumps(listed, sort_keys=True)) + ".dir"

    def save(self) -> None:
        """Keep what was learnt."""
        if self._changed:
            write_whole(self._index, json.dumps(self._kept))

    def _file(self, path: Path) -> str:
        stat = path.stat()
        mark = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        kept = self._kept.get(str(path))
        if kept is not None and kept[:-1] == mark:
            return str(kept[-1])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        self._kept[str(path)] = [*mark, digest]
        self._changed = True
        return digest


def _read(index: Path) -> dict[str, list[int | str]]:
    try:
        kept = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
