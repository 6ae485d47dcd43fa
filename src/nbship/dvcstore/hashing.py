"""What a file or folder holds, as DVC records it: md5, size, number of files."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .digests import Digests, md5_of_text

__all__ = ["Content", "read_content", "render_folder"]

# What DVC never looks at.
_SKIPPED = {".git", ".hg", ".dvc"}


@dataclass(frozen=True)
class Content:
    """The content of a file or of a folder.

    Attributes
    ----------
    md5
        With `.dir` behind it for a folder, whose md5 is that of its listing.
    size
        In bytes; of a folder, of all its files.
    files
        Of a folder: path within it -> md5; None for a file.
    executable
        Whether a file may be executed; DVC records that.
    """

    md5: str
    size: int
    files: Mapping[str, str] | None = field(default=None)
    executable: bool = False

    def recorded(self, path: str) -> dict[str, Any]:
        """Return what `dvc.lock` says of it at a path."""
        entry: dict[str, Any] = {"path": path, "hash": "md5", "md5": self.md5, "size": self.size}
        if self.files is not None:
            entry["nfiles"] = len(self.files)
        if self.executable:
            entry["isexec"] = True
        return entry


def read_content(path: Path, digests: Digests) -> Content | None:
    """Return what is at `path`; None if nothing is."""
    try:
        info = path.stat()
    except OSError:
        return None
    if stat.S_ISDIR(info.st_mode):
        return _folder(path, digests)
    md5 = digests.md5(path)
    return None if md5 is None else Content(md5, info.st_size, executable=bool(info.st_mode & 0o111))


def render_folder(files: Mapping[str, str]) -> str:
    """Return the listing of a folder, whose md5 is the folder's.

    >>> render_folder({"b": "2", "a": "1"})
    '[{"md5": "1", "relpath": "a"}, {"md5": "2", "relpath": "b"}]'
    """
    return json.dumps([{"md5": files[name], "relpath": name} for name in sorted(files)])


def _folder(path: Path, digests: Digests) -> Content | None:
    files: dict[str, str] = {}
    size = 0
    for found in _walk(path):
        md5 = digests.md5(found)
        if md5 is None:
            return None
        files[found.relative_to(path).as_posix()] = md5
        size += found.stat().st_size
    return Content(f"{md5_of_text(render_folder(files))}.dir", size, files)


def _walk(path: Path) -> Iterator[Path]:
    for folder, inner, names in os.walk(path):
        inner[:] = [name for name in inner if name not in _SKIPPED]
        yield from (found for found in (Path(folder, name) for name in names) if found.is_file())
