"""Files to which entries are appended while a database is unavailable. Deleting them needs no space on a full disk.

Each process appends to a file of its own, its segment, under a lock. A segment whose writer has closed it, or has died, is
read by any process and deleted as a whole::

    predictions.spool/018f3a....jsonl    0a1b2c3d {"format":1}
                                         5e6f7a8b [["records",["018f...",1719835200000000,...]],["labels",[...]]]

A line holds the entries that are written together, after a checksum. An incomplete last line was never acknowledged.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from io import FileIO
from pathlib import Path
from typing import IO, Any

import msgspec

from ...atomic_write import publish, remove
from ...errors import LogError
from ..records import new_id
from ..rows import TABLES, Entry, entry_of, rows_of

__all__ = ["Segments"]

_LOGGER = logging.getLogger(__name__)
_FORMAT = 1
_SUFFIX = ".jsonl"
# A segment is closed at this size, so that recovery frees space step by step.
_MOST_BYTES = 16 * 2**20
# A disk with less free space counts as full.
_ROOM_BYTES = 2**16
_KINDS = {table: kind for kind, table in TABLES.items()}


class Segments:
    """The segments in a folder, which is created on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writing: FileIO | None = None
        self._lock = threading.Lock()
        with self._failures():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def __str__(self) -> str:
        return str(self._folder)

    def append(self, group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None]:
        """Write several lists of entries; return for each None, once it is durable, or its error.

        Raises
        ------
        LogError
            If nothing can be written.
        """
        lines = [_encoded(entries) for entries in group]
        with self._lock, self._failures():
            self._write(b"".join(line for line in lines if isinstance(line, bytes)))
        return [None if isinstance(line, bytes) else line for line in lines]

    def paths(self) -> list[Path]:
        """Return the segments of all processes, oldest first; the segment of this process is closed."""
        self.close()
        with self._failures():
            return sorted(self._folder.glob(f"*{_SUFFIX}"))

    def exist(self) -> bool:
        """Return whether any process has stored entries."""
        with self._failures():
            return any(self._folder.glob(f"*{_SUFFIX}"))

    @contextmanager
    def taken(self, path: Path) -> Iterator[bool]:
        """Lock a segment; yield whether that succeeded. It fails while a process appends to the segment."""
        with ExitStack() as stack:
            try:
                file = stack.enter_context(path.open("rb"))
                # Another process may have deleted the segment before it was locked.
                found = _try_lock(file) and path.exists()
            except FileNotFoundError:
                found = False
            except OSError as error:
                raise self._unusable(error) from error
            yield found

    def read(self, path: Path) -> Iterator[Sequence[Entry]]:
        """Yield the lists of entries in a segment. If lines are damaged, a copy of the segment is kept."""
        damaged = False
        with self._failures(), path.open("rb") as file:
            for line in file:
                content = _decoded(line, path)
                if isinstance(content, list):
                    yield [entry_of(_KINDS[table], row) for table, row in content]
                damaged |= content is None and line.endswith(b"\n")
            if damaged:
                copy = path.with_suffix(".damaged")
                _LOGGER.error("Lines of the spool are damaged. See '%s'; its other lines are forwarded.", copy)
                with suppress(FileExistsError):
                    os.link(path, copy)

    def close(self) -> None:
        """Close the segment of this process; the next entries are appended to a new one."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._writing is not None:
            with suppress(OSError):
                self._writing.close()
        self._writing = None

    def _write(self, data: bytes) -> None:
        file = self._writing = self._writing or self._opened()
        end = file.seek(0, os.SEEK_END)
        try:
            if not data:
                _require_room(file, end)
            _write_all(file, data)
        except OSError:
            # Nothing may follow an incomplete line, or a page of unknown state.
            with suppress(OSError):
                file.truncate(end)
            self._close()
            raise
        if end + len(data) > _MOST_BYTES:
            self._close()

    def _opened(self) -> FileIO:
        """Return a new segment. It is locked before it gets its name, by which other processes find it."""
        path = self._folder / f"{new_id()}{_SUFFIX}"
        temporary = path.with_suffix(".tmp")
        file = FileIO(temporary, "xb", opener=partial(os.open, mode=0o600))
        try:
            _try_lock(file)
            _write_all(file, _line({"format": _FORMAT}))
            publish(temporary, path, durable=True)
        except BaseException:
            file.close()
            remove(temporary)
            raise
        return file

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> LogError:
        return LogError(
            f"The spool '{self._folder}' cannot be used: {error}. Check the disk and the permissions of the folder."
        )


def _try_lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_all(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


def _require_room(file: FileIO, end: int) -> None:
    """Raise OSError if the disk is full."""
    os.posix_fallocate(file.fileno(), end, _ROOM_BYTES)
    file.truncate(end)


def _encoded(entries: Sequence[Entry]) -> bytes | LogError:
    """Return the line of entries that are written together, or the error with which they are rejected."""
    try:
        rows = [(TABLES[type(entry)], row) for entry, row in zip(entries, rows_of(entries), strict=True)]
        return _line(rows) if rows else b""
    except ValueError as error:
        return LogError(f"The prediction log rejected a record: {error}.")


def _line(content: Any) -> bytes:
    text = msgspec.json.encode(content)
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _decoded(line: bytes, path: Path) -> Any:
    """Return the content of a line, or None if it is damaged.

    Raises
    ------
    LogError
        If a newer nbship wrote the segment.
    """
    checksum, _, text = line.removesuffix(b"\n").partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        return None
    content = msgspec.json.decode(text)
    if isinstance(content, dict) and content["format"] > _FORMAT:
        raise LogError(f"The spool's file '{path}' was written by a newer nbship. Upgrade nbship.")
    return content
