"""Snapshots of a state in which all stages are up to date; while nothing in it changes, nothing is read again.

A snapshot holds the digests of all files that were read, the module names in all folders that were searched
for imports, and the environment. Nothing else can make a stage stale.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..project import read_cache_file, write_cache_file
from .file_index import index_at, list_importable
from .platforms import this_platform
from .result_cache import code_version

__all__ = ["read_snapshot", "snapshot_environment", "write_snapshot"]


def read_snapshot(root: Path, *, name: str = "status") -> list[str] | None:
    """Return the names of all stages if a snapshot shows that they are up to date, else None.

    Parameters
    ----------
    root
        The project's root.
    name
        The name of the snapshot.
    """
    cache = root / ".nbship" / "cache"
    snapshot = read_cache_file(cache / f"{name}.json")
    if not isinstance(snapshot, dict) or snapshot.get("environment") != snapshot_environment():
        return None
    index = index_at(cache)
    if any(list_importable(root / folder)[1] != digest for folder, digest in snapshot["folders"].items()):
        return None
    if any(index.digests.md5(os.path.join(root, path)) != md5 for path, md5 in snapshot["files"].items()):  # noqa: PTH118
        return None
    index.digests.save()  # stamps that were too recent to be reliable have become reliable
    stages: list[str] = snapshot["stages"]
    return stages


def write_snapshot(root: Path, stages: Iterable[str], *, name: str = "status", extra: Iterable[Path] = ()) -> None:
    """Write a snapshot of the project's index, after all stages were found up to date.

    Parameters
    ----------
    extra
        Additional files and folders that must not change.
    """
    index = index_at(root / ".nbship" / "cache")
    for path in extra:
        index.md5(path)
    if not index.consistent or index.environment != snapshot_environment():  # a file changed while stages were checked
        return
    content = {
        "environment": index.environment,
        "stages": list(stages),
        "folders": {_relative(root, folder): digest for folder, digest in index.folders.items()},
        "files": {_relative(root, path): md5 for path, md5 in index.files.items()},
    }
    write_cache_file(root / ".nbship" / "cache" / f"{name}.json", content)


def snapshot_environment() -> list[Any]:
    """Return what the state of stages depends on besides files: nbship's code, installed libraries, overridden settings."""
    from .libraries import library_folders

    overrides = [[key, value] for key, value in sorted(os.environ.items()) if key.startswith("NBSHIP_") and "__" in key]
    return [code_version(), list(map(list, library_folders())), sys.version, this_platform(), overrides]


def _relative(root: Path, path: str) -> str:
    return path.removeprefix(f"{root}{os.sep}") if path != str(root) else ""
