"""A prediction log in a SQLite file, shared by threads and processes."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from ...atomic_write import create_private
from ...errors import LogError
from ..damage import DamageCheck, is_damage
from ..pruning import Pace
from ..rows import Entry
from .inserts import insert_group
from .reserve import Reserve
from .schema import prepare
from .unallocated import overwrite_unallocated, pages_to_overwrite, sync

__all__ = ["Sqlite"]

_LOGGER = logging.getLogger(__name__)
_NO_AUTO_VACUUM = 0

# How long to wait for another writer.
_BUSY_TIMEOUT_MS = 10_000
# A writer waits this long for the write-ahead log to be emptied; after a pause, it is tried again.
_ERASE_TIMEOUT_MS, _ERASE_PAUSE_SECONDS, _ERASE_ATTEMPTS = 20, 0.1, 600


class Sqlite:
    """The file `path`, created on first use."""

    mark = "?"
    prefix = ""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()
        self._writing: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._busy_timeout = _BUSY_TIMEOUT_MS
        self._damage = DamageCheck(self.path, _opened)
        self._reserve = Reserve(self.path)
        with self._failures("opened"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self.salt = self._prepare()
            except (sqlite3.Error, OSError):
                # Opening needs a little space too, for the files beside this one.
                self._reserve.give_up()
                self.salt = self._prepare()
            self._checked = _identity(self.path)
            self._damage.start()

    def _prepare(self) -> bytes:
        self._create()
        with _opened(self.path) as connection:
            return prepare(connection, self.path)

    def _create(self) -> None:
        """Create the file if it does not exist; an empty one beside which space is reserved has lost its records."""
        if not self.path.exists():
            self._reserve.give_up()
        elif not self.path.stat().st_size and self._reserve.path.exists():
            raise LogError(
                f"The prediction log '{self.path}' has been emptied. Stop what uses it, and restore a backup, or delete the file to begin a new log."
            )
        # SQLite's other files get the permissions of this one.
        create_private(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def write(self, group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None]:
        """Write several lists of entries in one durable transaction; return for each None or its error."""
        with self._failures("written"):
            self._reserve.require()
            connection = self._writer()
            self._damage.require_intact()
            try:
                self._set_busy_timeout(connection, _BUSY_TIMEOUT_MS)
                return insert_group(connection, group)
            except BaseException:
                # The connection may be in the middle of a transaction.
                self.close()
                raise

    def try_write(self, group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None] | None:
        """Write as `write` does, or return None if another process is writing to the file."""
        connection = self._writing
        # Opening or creating the file may block.
        if connection is None or _identity(self.path) != self._file:
            return None
        try:
            self._reserve.require()
            self._damage.require_intact()
            self._set_busy_timeout(connection, 0)
            return insert_group(connection, group)
        except BaseException as error:
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                connection.rollback()
                return None
            self.close()
            with self._failures("written"):
                raise

    @contextmanager
    def connected(self, action: str, *, slow: bool = False) -> Iterator[sqlite3.Connection]:
        """Yield a connection for one use."""
        with self._failures(action), _opened(self.path) as connection:
            yield connection

    def stores(self) -> Sequence[Sqlite]:
        """Return this file."""
        return (self,)

    def deleting(self) -> AbstractContextManager[None]:
        """Use the reserved space in a block."""
        return self._reserve.used()

    def erase(self) -> None:
        """Empty the write-ahead log, which holds earlier versions of pages, and overwrite copies of rows that were moved.

        Other deleted content in the file is zeros.

        Raises
        ------
        LogError
            If another process reads the log for a minute.
        """
        self._damage.require_intact()
        with self.connected("written") as connection:
            connection.execute(f"PRAGMA busy_timeout = {_ERASE_TIMEOUT_MS}")
            self._empty_write_ahead_log(connection)
            pages, pace = list(pages_to_overwrite(self.path)), Pace()
            while pages:
                part, pages = pages[: pace.count], pages[pace.count :]
                self._lock_with_empty_write_ahead_log(connection)
                with pace.step():
                    overwrite_unallocated(self.path, part)
                    connection.execute(
                        "INSERT OR REPLACE INTO meta VALUES ('erased', ?)", (time.time_ns().to_bytes(8),)
                    )
                    connection.execute("COMMIT")
            sync(self.path)

    def _lock_with_empty_write_ahead_log(self, connection: sqlite3.Connection) -> None:
        """Begin a transaction before which nothing is in the write-ahead log."""
        for _ in range(_ERASE_ATTEMPTS):
            self._empty_write_ahead_log(connection)
            with suppress(sqlite3.OperationalError):
                connection.execute("BEGIN IMMEDIATE")
                if not self.path.with_name(f"{self.path.name}-wal").stat().st_size:
                    return
                connection.execute("ROLLBACK")
        raise self._not_erased()

    def _empty_write_ahead_log(self, connection: sqlite3.Connection) -> None:
        for _ in range(_ERASE_ATTEMPTS):
            # Writers wait for TRUNCATE but not for PASSIVE, which copies the pages.
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            if not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                return
            time.sleep(_ERASE_PAUSE_SECONDS)
        raise self._not_erased()

    def _not_erased(self) -> LogError:
        return LogError(
            f"Records were deleted from the prediction log '{self.path}', but another process reads it, so their bytes "
            f"remain in '{self.path.name}-wal'. Run the command again when that process has ended."
        )

    def shrink(self) -> None:
        """Return free pages to the disk in parts; a file of an earlier version is rewritten, if no process has opened it."""
        with self.connected("written") as connection:
            if connection.execute("PRAGMA auto_vacuum").fetchone()[0] == _NO_AUTO_VACUUM:
                self.close()
                _rewrite(connection, self.path)
                return
            pace = Pace()
            while connection.execute("PRAGMA freelist_count").fetchone()[0]:
                with pace.step():
                    # Every page is a step of the statement, and `execute` would end it after the first.
                    connection.executescript(f"PRAGMA incremental_vacuum({pace.count})")
        # If another process reads for a minute, the write-ahead log is emptied later.
        with suppress(LogError):
            self.erase()

    def close(self) -> None:
        """Close the writing connection; the next write opens it again."""
        if self._writing is not None:
            with suppress(sqlite3.Error):
                self._writing.close()
        self._writing = None

    def _writer(self) -> sqlite3.Connection:
        # SQLite would keep writing to a file that was deleted or replaced, and those records would be lost.
        if self._writing is not None and _identity(self.path) != self._file:
            self.close()
        if self._writing is None:
            self._create()
            self._writing = _connect(self.path)
            self.salt = prepare(self._writing, self.path)
            self._file = _identity(self.path)
            self._reserve.keep()
            if self._checked != self._file:
                self._checked, self._damage = self._file, DamageCheck(self.path, _opened)
                self._damage.start()
            self._busy_timeout = _BUSY_TIMEOUT_MS
        self._damage.begin()
        return self._writing

    def _set_busy_timeout(self, connection: sqlite3.Connection, milliseconds: int) -> None:
        if self._busy_timeout != milliseconds:
            connection.execute(f"PRAGMA busy_timeout = {milliseconds}")
            self._busy_timeout = milliseconds

    @contextmanager
    def _failures(self, action: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if is_damage(error):
                self._damage.report(error)
            reason = self._reserve.full() if _is_full(error) else error
            raise LogError(
                f"The prediction log '{self.path}' cannot be {action}: {reason}. Check the disk and the file's permissions, or set 'log.url' in nbship.yaml."
            ) from error


def _is_full(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _connect(path: Path) -> sqlite3.Connection:
    new = not path.exists() or path.stat().st_size == 0
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False)
    try:
        if new:
            # Only an empty file can be prepared for returning free pages to the disk.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # Deleted content is overwritten with zeros: a data subject's records must not remain in free pages.
        connection.execute("PRAGMA secure_delete = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _rewrite(connection: sqlite3.Connection, path: Path) -> None:
    """Rewrite a file such that it can return free pages to the disk."""
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        # Only the last connection to a file can end its write-ahead log.
        connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError:
        _LOGGER.warning(
            "The space of deleted records in '%s' is used for new records, but not returned to the disk: the file was "
            "created by an earlier version of nbship. Stop the service and run the command again.",
            path,
        )
        return
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("VACUUM")
    connection.execute("PRAGMA journal_mode = WAL")


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    connection = _connect(path)
    try:
        yield connection
    finally:
        connection.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_dev, status.st_ino
