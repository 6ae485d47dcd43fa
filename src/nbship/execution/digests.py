"""Digests of files and folders: what ran is what was hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["changed", "digest", "digests"]


def digest(path: Path) -> str | None:
    """Return the sha256 of a file, or of a folder's files with their names; None if nothing is there."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if not path.is_dir():
        return None
    folder = hashlib.sha256()
    for inner in sorted(found for found in path.rglob("*") if found.is_file() and "__pycache__" not in found.parts):
        folder.update(f"{inner.relative_to(path).as_posix()}\0{digest(inner)}\n".encode())
    return folder.hexdigest()


def digests(paths: Iterable[str], *, root: Path) -> Mapping[str, str | None]:
    """Return the digest of each path below `root`."""
    return {path: digest(root / path) for path in paths}


def changed(before: Mapping[str, str | None], after: Mapping[str, str | None]) -> list[str]:
    """Return the paths that differ.

    >>> changed({"a": "1", "b": "2"}, {"a": "1", "b": None})
    ['b']
    """
    return [path for path in before if before[path] != after.get(path)]
