"""The run cache: what stages made of which inputs, so that a run that was done once is not done again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from textwrap import indent
from typing import Any

from ..atomic_write import write_whole
from ..errors import PipelineError
from .config import Repository
from .lock_entry import Entry, run_key, run_value
from .lock_yaml import parse_block, render_entry

__all__ = ["Runs"]


class Runs:
    """The run cache of a DVC repository."""

    def __init__(self, repository: Repository) -> None:
        self._folder = repository.cache / "runs"

    def find(self, entry: Entry, paths: Iterable[str]) -> Iterator[Mapping[str, Any]]:
        """Yield what earlier runs with these inputs made, the newest first.

        An entry that is not what its name says is removed.

        Parameters
        ----------
        paths
            The stage's products.
        """
        folder = self._place(run_key(entry, paths))
        for path in sorted(_files(folder), key=lambda path: path.stat().st_mtime, reverse=True):
            found = _read(path)
            if found is None:
                path.unlink(missing_ok=True)
            else:
                yield found

    def save(self, entry: Entry) -> None:
        """Keep what a stage made; what is kept already stays as it is."""
        folder = self._place(run_key(entry, [out["path"] for out in entry["outs"]]))
        path = folder / run_value(entry)
        if path.is_file() and _read(path) is not None:
            return
        write_whole(path, render_entry(entry))

    def _place(self, key: str) -> Path:
        return self._folder / key[:2] / key


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        found = parse_block("  run:\n" + indent(path.read_text(encoding="utf-8"), "    "))
        return found if isinstance(found, Mapping) and run_value(found) == path.name else None
    except (OSError, UnicodeDecodeError, PipelineError, TypeError):
        return None
