"""`dvc.lock` while stages end, one by one, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..atomic_write import write_whole
from .lock_file import read_lock

__all__ = ["LockFile"]


class LockFile:
    """A `dvc.lock` that other commands may write to as well, between two stages of this run.

    Parameters
    ----------
    order
        The stages as `dvc repro` runs them: new ones come into the file in this order, whenever they end, so that
        it is the same however many ran at a time and wherever a run was killed.
    """

    def __init__(self, path: Path, *, order: Iterable[str]) -> None:
        self._path = path
        self._places = {name: place for place, name in enumerate(order)}
        self._coming: set[str] = set()
        self._waiting: dict[str, Mapping[str, Any]] = {}
        self._lock = read_lock(path)
        self._mark = _mark(path)

    def get(self, name: str) -> Mapping[str, Any] | None:
        """Return what is recorded of a stage."""
        return self._lock.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._lock)

    def expect(self, names: Iterable[str]) -> None:
        """Name the stages that will be recorded; those that the file does not have wait for one another."""
        self._coming = {name for name in names if name not in self._lock}

    def put(self, name: str, entry: Mapping[str, Any]) -> None:
        """Record a stage; only while DVC's lock of the repository is held."""
        self._waiting[name] = entry
        self._coming.discard(name)
        first = min((self._places[each] for each in self._coming), default=len(self._places))
        self._write([each for each in self._waiting if each in self._lock or self._places[each] < first])

    def flush(self) -> None:
        """Record what still waits for stages that will not come; only while DVC's lock is held."""
        self._write(self._waiting)

    def _write(self, names: Iterable[str]) -> None:
        entries = {name: self._waiting[name] for name in sorted(names, key=lambda name: self._places[name])}
        if not entries:
            return
        if _mark(self._path) != self._mark:
            self._lock = read_lock(self._path)
        self._lock = self._lock.with_stages(entries)
        write_whole(self._path, self._lock.text)
        self._mark = _mark(self._path)
        for name in entries:
            del self._waiting[name]


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_ino, info.st_mtime_ns, info.st_size
