"""A prediction log in a SQLite file, shared by threads and processes."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain
from pathlib import Path

from ..atomic_write import create_private
from ..errors import LogError
from .damage import DamageCheck, is_damage
from .databases import FORMAT
from .disks import require_room
from .pruning import Pace
from .rows import COLUMNS, TABLES, Entry, rows_of

__all__ = ["Sqlite"]

_LOGGER = logging.getLogger(__name__)
_NO_AUTO_VACUUM = 0

_ROWS = 512
# How long to wait for another writer.
_BUSY_TIMEOUT_MS = 10_000
# A writer waits this long for the write-ahead log to be emptied; after a pause, it is tried again.
_ERASE_TIMEOUT_MS, _ERASE_PAUSE_SECONDS, _ERASE_ATTEMPTS = 20, 0.1, 600
_SCHEMA = """
CREATE TABLE records (
    id TEXT PRIMARY KEY NOT NULL, at INTEGER NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL,
    caller TEXT NOT NULL, mode TEXT NOT NULL, inputs TEXT, outputs TEXT, error TEXT, latency_ms REAL NOT NULL,
    keys TEXT, event_time INTEGER, event_zone TEXT, redacted TEXT NOT NULL, trace TEXT, role TEXT NOT NULL DEFAULT 'served');
CREATE INDEX records_event_time ON records (event_time) WHERE event_time IS NOT NULL;
CREATE INDEX records_keys ON records (keys) WHERE keys IS NOT NULL;
CREATE INDEX records_at ON records (at);
CREATE TABLE batches (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, at INTEGER NOT NULL, seconds REAL NOT NULL, model TEXT NOT NULL,
    version TEXT NOT NULL, digest TEXT NOT NULL, caller TEXT NOT NULL, input_path TEXT NOT NULL,
    input_digest TEXT NOT NULL, output_path TEXT NOT NULL, output_digest TEXT NOT NULL, rows INTEGER NOT NULL,
    rejected INTEGER NOT NULL, first_event INTEGER, last_event INTEGER);
CREATE INDEX batches_id ON batches (id);
CREATE TABLE labels (
    number INTEGER PRIMARY KEY, label TEXT NOT NULL, at INTEGER NOT NULL, prediction_id TEXT, keys TEXT, time INTEGER,
    model TEXT);
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID
"""
_INDEXES = """
CREATE INDEX labels_prediction_id ON labels (prediction_id) WHERE prediction_id IS NOT NULL;
CREATE INDEX labels_keys ON labels (keys) WHERE keys IS NOT NULL;
CREATE INDEX labels_at ON labels (at);
CREATE INDEX batches_at ON batches (at)
"""
# Format -> the statements that upgrade it to the next one.
_UPGRADES = {
    1: "ALTER TABLE records ADD COLUMN trace TEXT",
    2: "ALTER TABLE records ADD COLUMN role TEXT NOT NULL DEFAULT 'served'; ALTER TABLE labels ADD COLUMN model TEXT",
    3: _INDEXES,
}


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
        with self._failures("opened"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite's other files get the permissions of this one.
            create_private(self.path)
            with _opened(self.path) as connection:
                self.salt = _prepare(connection, self.path)
            self._checked = _identity(self.path)
            self._damage.start()

    def __str__(self) -> str:
        return str(self.path)

    def write(self, group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None]:
        """Write several lists of entries in one durable transaction; return for each None or its error."""
        with self._failures("written"):
            require_room(self.path)
            connection = self._writer()
            self._damage.require_intact()
            try:
                self._set_busy_timeout(connection, _BUSY_TIMEOUT_MS)
                return _insert_group(connection, group)
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
            require_room(self.path)
            self._damage.require_intact()
            self._set_busy_timeout(connection, 0)
            return _insert_group(connection, group)
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

    def erase(self) -> None:
        """Empty the write-ahead log, which holds earlier versions of pages; deleted content in the file is zeros.

        Raises
        ------
        LogError
            If another process reads the log for a minute.
        """
        with self.connected("written") as connection:
            connection.execute(f"PRAGMA busy_timeout = {_ERASE_TIMEOUT_MS}")
            for _ in range(_ERASE_ATTEMPTS):
                # Writers wait for TRUNCATE but not for PASSIVE, which copies the pages.
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                if not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                    return
                time.sleep(_ERASE_PAUSE_SECONDS)
        raise LogError(
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
            create_private(self.path)
            self._writing = _connect(self.path)
            self.salt = _prepare(self._writing, self.path)
            self._file = _identity(self.path)
            if self._checked != self._file:
                self._checked, self._damage = self._file, DamageCheck(self.path, _opened)
                self._damage.start()
            self._busy_timeout = _BUSY_TIMEOUT_MS
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
            raise LogError(
                f"The prediction log '{self.path}' cannot be {action}: {error}. Check the disk and the file's permissions, or set 'log.url' in nbship.yaml."
            ) from error


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


def _prepare(connection: sqlite3.Connection, path: Path) -> bytes:
    # A current file is opened without the lock of writers, for which another command might wait long beside a service.
    if connection.execute("PRAGMA user_version").fetchone()[0] == FORMAT:
        return _salt(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > FORMAT:
            raise LogError(
                f"The prediction log '{path}' has format {found}, written by a newer nbship; this version reads up to format {FORMAT}. Upgrade nbship."
            )
        if found == 0:
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise LogError(
                    f"'{path}' is a SQLite file, but not a prediction log. Set 'log.url' in nbship.yaml to another file."
                )
            for statement in f"{_SCHEMA};{_INDEXES}".split(";"):
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES ('salt', ?)", (os.urandom(16),))
        for number in range(found or FORMAT, FORMAT):
            for statement in _UPGRADES[number].split(";"):
                connection.execute(statement)
        if found != FORMAT:
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        salt = _salt(connection)
        connection.execute("COMMIT")
        return salt
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _salt(connection: sqlite3.Connection) -> bytes:
    salt: bytes = connection.execute("SELECT value FROM meta WHERE name = 'salt'").fetchone()[0]
    return salt


def _insert_group(connection: sqlite3.Connection, group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None]:
    """Insert several lists of entries in one transaction: all at once or, if an entry is rejected, list by list."""
    whole = [entry for entries in group for entry in entries]
    if not whole:
        # A check, whether the log can be written: only a write shows it.
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('checked', ?)", (time.time_ns().to_bytes(8),))
        return [None] * len(group)
    if _insert(connection, whole) is None:
        return [None] * len(group)
    connection.execute("BEGIN IMMEDIATE")
    outcomes = [_insert(connection, entries) for entries in group]
    connection.execute("COMMIT")
    return outcomes


def _insert(connection: sqlite3.Connection, entries: Sequence[Entry]) -> Exception | None:
    """Insert all entries or none; outside a transaction, in a transaction of their own."""
    try:
        statements = list(_insertions(entries))
        # One statement is atomic: a savepoint around it would take longer than the insert.
        if len(statements) == 1:
            connection.execute(*statements[0])
            return None
        connection.execute("SAVEPOINT entries")
        try:
            for statement, values in statements:
                connection.execute(statement, values)
        except (sqlite3.IntegrityError, sqlite3.DataError):
            connection.execute("ROLLBACK TO entries")
            connection.execute("RELEASE entries")
            raise
        connection.execute("RELEASE entries")
    except (sqlite3.IntegrityError, sqlite3.DataError, ValueError) as error:
        return LogError(f"The prediction log rejected a record: {error}. Every prediction needs a unique id.")
    return None


def _insertions(entries: Sequence[Entry]) -> Iterator[tuple[str, list[object]]]:
    """Yield INSERT statements with their values, many rows per statement: a statement costs as much as a few rows.

    The numbers of rows are powers of two, so that only ten different statements are prepared and cached. For example,
    700 rows are inserted as 512, 128, 32, 16, 8 and 4.
    """
    for kind, table in TABLES.items():
        rows = rows_of([entry for entry in entries if type(entry) is kind])
        while rows:
            count = min(_ROWS, 1 << len(rows).bit_length() - 1)
            yield _insertion(table, COLUMNS[kind], count), list(chain.from_iterable(rows[:count]))
            rows = rows[count:]


@cache
def _insertion(table: str, columns: Sequence[str], count: int) -> str:
    marks = ", ".join([f"({', '.join('?' * len(columns))})"] * count)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {marks}"


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_dev, status.st_ino
