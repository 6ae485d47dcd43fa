"""Find a damaged SQLite file before it is used: SQLite itself only notices damage in the pages that it happens to read.

A small file is checked when it is opened; a large one, for which that takes seconds, in a thread from the first write on:
a process that only reads, such as a report, sees the damage of the pages that it reads.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from ..errors import LogError
from ..text import first_line

__all__ = ["DamageCheck", "is_damage"]

# Half a second at most: a gigabyte takes one to ten seconds.
_SMALL_BYTES = 64 << 20


class DamageCheck:
    """The check of one file, which is done once in the life of a process.

    Parameters
    ----------
    opened
        Opens a connection to the file.
    """

    def __init__(self, path: Path, opened: Callable[[Path], AbstractContextManager[sqlite3.Connection]]) -> None:
        self._path, self._opened = path, opened
        self._found: str | None = None
        self._running: threading.Thread | None = None
        self._is_due = False

    def start(self) -> None:
        """Check a small file now, and another one in a thread once it is written.

        Raises
        ------
        LogError
            If a small file is damaged.
        """
        if self._path.stat().st_size <= _SMALL_BYTES:
            self._check()
            self.require_intact()
        else:
            self._is_due = True

    def begin(self) -> None:
        """Start the check of a large file, before the first write."""
        if self._is_due:
            self._is_due = False
            self._running = threading.Thread(target=self._check, name="nbship-log-check", daemon=True)
            self._running.start()

    def report(self, reason: object) -> None:
        """Remember damage, so that the file is not written any more."""
        self._found = first_line(reason)

    def require_intact(self) -> None:
        """Raise LogError if the file is known to be damaged."""
        if self._found is not None:
            raise LogError(
                f"The prediction log '{self._path}' is damaged ({self._found}). Stop what uses it, and restore a backup, or save the records "
                "that can be read: see 'The log is damaged' in docs/how-to/runbook.md."
            )

    def _check(self) -> None:
        try:
            with self._opened(self._path) as connection:
                found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                self.report(str(found).replace("*** in database main ***\n", ""))
        except sqlite3.Error as error:
            # A busy or full disk is no damage.
            if is_damage(error):
                self.report(error)


def is_damage(error: BaseException) -> bool:
    """Return whether SQLite found a file that is damaged, or is no database."""
    code = getattr(error, "sqlite_errorcode", 0) or 0
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
