"""DVC's run cache: the products of earlier runs, by their inputs."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from textwrap import indent
from typing import Any

from ..atomic_write import publish, write_whole
from ..errors import PipelineError
from .config import Repository
from .lock_entry import Entry, run_key, run_value
from .lock_yaml import parse_block, render_entry

__all__ = ["RunCache"]


class RunCache:
    """The run cache of a DVC repository."""

    def __init__(self, repository: Repository) -> None:
        self._folder = repository.cache / "runs"
        self._unfinished = repository.unfinished

    def find(self, entry: Entry, paths: Iterable[str]) -> Iterator[Mapping[str, Any]]:
        """Yield the entries of earlier runs with these inputs, the newest first.

        A damaged entry is removed.

        Parameters
        ----------
        paths
            The paths of the stage's products.
        """
        folder = self._folder_of(run_key(entry, paths))
        for path in sorted(_files(folder), key=lambda path: path.stat().st_mtime, reverse=True):
            found = _read(path)
            if found is None:
                path.unlink(missing_ok=True)
            else:
                yield found

    def save(self, entry: Entry) -> None:
        """Write the entry of a run, unless it is in the run cache already."""
        folder = self._folder_of(run_key(entry, [out["path"] for out in entry["outs"]]))
        path = folder / run_value(entry)
        if path.is_file() and _read(path) is not None:
            return
        # Not beside it: DVC reads every file in the folder.
        temporary = self._unfinished / f"{os.getpid()}-{threading.get_ident()}-run"
        write_whole(temporary, render_entry(entry))
        path.parent.mkdir(parents=True, exist_ok=True)
        publish(temporary, path)

    def _folder_of(self, key: str) -> Path:
        return self._folder / key[:2] / key


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        found = parse_block("  run:\n" + indent(path.read_text(encoding="utf-8"), "    "))
        return found if isinstance(found, Mapping) and run_value(found) == path.name else None
    except (OSError, UnicodeDecodeError, PipelineError, TypeError):
        return None
