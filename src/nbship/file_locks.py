"""Files that several processes change: each reads, changes and writes them under a lock, so that no change is lost.

`atomic_write` gives readers a whole file. Two writers need more: without a lock, both read the same content, and the
one that writes last undoes the other's change::

    nbship keys add shop   read [ ]             write [shop]
    nbship keys add desk       read [ ]                      write [desk]   (shop is lost)
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import FileLockError

__all__ = ["changing"]

_SECONDS, _PAUSE_SECONDS = 10.0, 0.01


@contextmanager
def changing(path: Path) -> Iterator[Path]:
    """Hold the lock of a file, in order to read, change and write it; yield its path. Locks must not be nested.

    A link stays: the lock and the path are those of the file that it leads to.

    The lock is on the file's folder, so it holds while the file is replaced, and leaves no file behind. It ends with its
    process.

    Raises
    ------
    FileLockError
        If another process holds the lock for ten seconds.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "count.txt"
    >>> with changing(path):
    ...     _ = path.write_text(f"{path.read_text() if path.exists() else ''}one more")
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _open(path)
    try:
        end = time.monotonic() + _SECONDS
        while not (locked := _try_lock(handle)) and time.monotonic() < end:
            time.sleep(_PAUSE_SECONDS)
        if not locked:
            raise FileLockError(
                f"Another process has been changing '{path}' for {_SECONDS:.0f} s. End that process, then try again."
            )
        yield path
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    """Open what is locked: the folder of a file or, where folders cannot be locked (NFS), a file beside it."""
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        _try_lock(handle)
    except OSError:
        os.close(handle)
        return os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    return handle


def _try_lock(handle: int) -> bool:
    import fcntl  # not on Windows

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
