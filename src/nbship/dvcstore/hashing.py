"""Contents of files and folders, as DVC records them: md5, size, number of files."""

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
        Of a folder, the md5 of its listing, followed by `.dir`.
    size
        In bytes; of a folder, the sum of its files.
    files
        Of a folder: relative path -> md5; None for a file.
    executable
        Whether a file is executable.
    """

    md5: str
    size: int
    files: Mapping[str, str] | None = field(default=None)
    executable: bool = False

    def as_entry(self, path: str) -> dict[str, Any]:
        """Return its entry in `dvc.lock`, under a path."""
        entry: dict[str, Any] = {"path": path, "hash": "md5", "md5": self.md5, "size": self.size}
        if self.files is not None:
            entry["nfiles"] = len(self.files)
        if self.executable:
            entry["isexec"] = True
        return entry


def read_content(path: Path, digests: Digests) -> Content | None:
    """Return the content at a path; None if the path does not exist."""
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
