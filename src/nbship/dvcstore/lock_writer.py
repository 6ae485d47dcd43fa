"""Write `dvc.lock` while stages end in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..atomic_write import write_whole
from .lock_file import read_lock

__all__ = ["LockWriter"]


class LockWriter:
    """Writes entries to `dvc.lock`, which other commands may also write between two stages of this run.

    New entries are written in the order of `dvc repro`, so that the file does not depend on the number of jobs or on
    when a run failed or was killed. With the order a, b, c and a new file:

        put("b")  ->  b waits, since a is expected before it
        put("a")  ->  a and b are written
        put("c")  ->  c is written

    If a fails, b is not written: the next run restores it from the run cache, after a.

    Parameters
    ----------
    order
        The stages in the order of `dvc repro`.
    """

    def __init__(self, path: Path, *, order: Iterable[str]) -> None:
        self._path = path
        self._positions = {name: position for position, name in enumerate(order)}
        self._expected: set[str] = set()
        self._pending: dict[str, Mapping[str, Any]] = {}
        self._lock = read_lock(path)
        self._stamp = _stamp(path)

    def get(self, name: str) -> Mapping[str, Any] | None:
        """Return the recorded entry of a stage."""
        return self._lock.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._lock)

    def expect(self, names: Iterable[str]) -> None:
        """Set the stages that will be recorded; those without an entry are written in order."""
        self._expected = {name for name in names if name not in self._lock}

    def put(self, name: str, entry: Mapping[str, Any]) -> None:
        """Record a stage, while the caller holds DVC's repository lock."""
        self._pending[name] = entry
        self._expected.discard(name)
        first = min((self._positions[each] for each in self._expected), default=len(self._positions))
        self._write([each for each in self._pending if each in self._lock or self._positions[each] < first])

    def _write(self, names: Iterable[str]) -> None:
        entries = {name: self._pending[name] for name in sorted(names, key=lambda name: self._positions[name])}
        if not entries:
            return
        if _stamp(self._path) != self._stamp:
            self._lock = read_lock(self._path)
        self._lock = self._lock.with_stages(entries)
        write_whole(self._path, self._lock.text)
        self._stamp = _stamp(self._path)
        for name in entries:
            del self._pending[name]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_ino, info.st_mtime_ns, info.st_size
