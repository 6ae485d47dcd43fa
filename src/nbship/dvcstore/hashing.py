"""What a file or folder holds, as DVC records it: md5, size, number of files."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .digests import Digests, md5_of_folder

__all__ = ["Content", "read_content"]


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


def _folder(path: Path, digests: Digests) -> Content | None:
    files = digests.files(path)
    if files is None:
        return None
    return Content(md5_of_folder(files), sum((path / name).stat().st_size for name in files), files)
