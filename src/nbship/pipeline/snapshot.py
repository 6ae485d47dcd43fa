"""Remember that all was up to date, and by what: while all of that is the same, nothing needs to be read again.

A snapshot holds the digest of every file that the judgement rested on, the names of the modules in every
folder where an import was looked for, and what else it depends on. What is not in it cannot change the judgement.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..project import read_cache_file, write_cache_file
from .file_index import index_at, list_code
from .platforms import this_platform
from .result_cache import code_mark

__all__ = ["environment", "recall", "remember"]


def recall(root: Path, *, name: str = "status") -> list[str] | None:
    """Return the names of all stages if they are up to date for certain; None if that must be found out.

    Parameters
    ----------
    root
        The project's.
    name
        Which snapshot.
    """
    cache = root / ".nbship" / "cache"
    kept = read_cache_file(cache / f"{name}.json")
    if not isinstance(kept, dict) or kept.get("environment") != environment():
        return None
    index = index_at(cache)
    if any(list_code(root / folder)[1] != mark for folder, mark in kept["folders"].items()):
        return None
    if any(index.digests.md5(os.path.join(root, path)) != md5 for path, md5 in kept["files"].items()):  # noqa: PTH118
        return None
    index.digests.save()  # files that were too young to be known by their times are old enough now
    stages: list[str] = kept["stages"]
    return stages


def remember(root: Path, stages: Iterable[str], *, name: str = "status", extra: Iterable[Path] = ()) -> None:
    """Keep that all stages were found up to date by what the project's index noted.

    Parameters
    ----------
    extra
        More files and folders that must stay as they are.
    """
    index = index_at(root / ".nbship" / "cache")
    for path in extra:
        index.md5(path)
    if not index.steady or index.environment != environment():  # something changed while it was looked at
        return
    content = {
        "environment": index.environment,
        "stages": list(stages),
        "folders": {_relative(root, folder): mark for folder, mark in index.folders.items()},
        "files": {_relative(root, path): md5 for path, md5 in index.files.items()},
    }
    write_cache_file(root / ".nbship" / "cache" / f"{name}.json", content)


def environment() -> list[Any]:
    """Return what a judgement rests on besides files: the code that judges, installed libraries, overridden settings."""
    from .libraries import places

    overrides = [[key, value] for key, value in sorted(os.environ.items()) if key.startswith("NBSHIP_") and "__" in key]
    return [code_mark(), list(map(list, places())), sys.version, this_platform(), overrides]


def _relative(root: Path, path: str) -> str:
    return path.removeprefix(f"{root}{os.sep}") if path != str(root) else ""
