"""Space on the disk of a prediction log that is kept for deleting old records.

Deleting needs some: for the write-ahead log, and for the pages in it that the file does not have yet. A file holds it, as
free space would be taken by whatever else fills the disk.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Reserve"]

# The size of the file, and the part of a small disk.
_BYTES, _PART = 16 * 2**20, 1 / 4
# The part of the size that records leave free, so that all are rejected on a full disk, and not only large ones.
_MARGIN = 1 / 16


class Reserve:
    """The reserved space beside a SQLite file.

    Parameters
    ----------
    log
        Path of the SQLite file.
    """

    def __init__(self, log: Path) -> None:
        self.path = log.with_name(f"{log.name}-reserve")

    def keep(self) -> None:
        """Reserve the space, if the disk has it."""
        size, _ = self._sizes()
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError:
            return
        try:
            if os.fstat(handle).st_size != size:
                _allocate(handle, size)
        except OSError:
            self.give_up()
        finally:
            os.close(handle)

    def give_up(self) -> None:
        """Return the space to the disk."""
        self.path.unlink(missing_ok=True)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Use the space in a block, and reserve it again."""
        self.give_up()
        try:
            yield
        finally:
            self.keep()

    def require(self) -> None:
        """Check that the disk has room for records.

        Raises
        ------
        OSError
            If it is full; while the reserved space is used, also if less than that is free.
        """
        size, free = self._sizes()
        if free < size * _MARGIN or (free < size and not self.path.exists()):
            raise OSError(errno.ENOSPC, self.full())

    def full(self) -> str:
        """Return the message of a full disk."""
        return (
            f"The disk is full; its last {self._sizes()[0] / 2**20:.0f} MB are reserved for deleting old records. "
            "Free some space, or run 'nbship log prune'"
        )

    def _sizes(self) -> tuple[int, int]:
        """Return the bytes to reserve, and those that are free."""
        disk = os.statvfs(self.path.parent)
        return min(_BYTES, int(disk.f_blocks * disk.f_frsize * _PART)), disk.f_bavail * disk.f_frsize


def _allocate(handle: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        # macOS: a file system may store a hole instead of zeros, but not instead of random bytes.
        os.write(handle, os.urandom(size))
