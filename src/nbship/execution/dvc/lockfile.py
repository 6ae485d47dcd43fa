"""`dvc.lock` while stages end, one by one, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ...pipeline.files import write_whole
from ...pipeline.lock import read_lock

__all__ = ["LockFile"]


class LockFile:
    """A `dvc.lock` that other commands may write to as well, between two stages of this run.

    Parameters
    ----------
    order
        The stages as `dvc repro` runs them: new ones stand in the file in this order, whenever they end.
    """

    def __init__(self, path: Path, *, order: Iterable[str]) -> None:
        self._path = path
        self._places = {name: place for place, name in enumerate(order)}
        self._new: list[str] = []
        self._lock = read_lock(path)
        self._mark = _mark(path)

    def get(self, name: str) -> Mapping[str, Any] | None:
        """Return what is recorded of a stage."""
        return self._lock.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._lock)

    def put(self, name: str, entry: Mapping[str, Any]) -> None:
        """Record a stage; only while DVC's lock of the repository is held."""
        if _mark(self._path) != self._mark:
            self._lock = read_lock(self._path)
            self._new = []
        if name not in self._lock:
            self._new.append(name)
        self._lock = self._lock.with_stages({name: entry})
        ordered = sorted(self._new, key=lambda new: self._places[new])
        if ordered != self._new:
            self._new = ordered
            self._lock = self._lock.in_order(ordered)
        write_whole(self._path, self._lock.text)
        self._mark = _mark(self._path)


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_ino, info.st_mtime_ns, info.st_size
