"""The database of schedules: the server of the prediction log, or a SQLite file in the state folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol

from ..atomic_write import create_private
from ..errors import ScheduleError
from ..prediction_log import connect_server, log_address, server_errors
from ..project import Project, shown_url
from .clocks import BOOT_ID, boot_seconds

if TYPE_CHECKING:
    import psycopg

__all__ = ["Database", "Postgres", "Rows", "Sqlite", "open_database"]

FORMAT = 1
_TABLES = """
CREATE TABLE nbship_schedules (
    name TEXT PRIMARY KEY, rule TEXT NOT NULL, decided BIGINT NOT NULL, looked DOUBLE PRECISION NOT NULL,
    token BIGINT NOT NULL, holder TEXT NOT NULL, clock TEXT NOT NULL, until DOUBLE PRECISION NOT NULL);
CREATE TABLE nbship_schedule_runs (
    schedule TEXT NOT NULL, scheduled BIGINT NOT NULL, state TEXT NOT NULL, first BIGINT NOT NULL, count BIGINT NOT NULL,
    attempts BIGINT NOT NULL, failures BIGINT NOT NULL, recorded BIGINT NOT NULL, started DOUBLE PRECISION,
    ended DOUBLE PRECISION, reason TEXT NOT NULL, PRIMARY KEY (schedule, scheduled));
CREATE TABLE nbship_schedule_format (format BIGINT NOT NULL)
"""
_BUSY_SECONDS = 10.0
_SERVER_SECONDS = 10.0
# The advisory lock for creating the tables; an arbitrary number that others are unlikely to use.
_LOCK = 0x6E627363


class Rows(Protocol):
    """What a transaction offers: queries with `?` for values."""

    def all(self, query: str, *values: Any) -> Sequence[Sequence[Any]]:
        """Run a query and return its rows."""

    def change(self, query: str, *values: Any) -> int:
        """Run a statement and return the number of changed rows."""

    def now(self) -> tuple[str, float]:
        """Return the clock of leases, and its time in seconds. Leases of another clock have ended."""


class Database(Protocol):
    """A database with the tables of schedules. Threads may share it."""

    # What is appended to a query that locks the rows that it reads.
    for_update: str

    def transaction(self) -> AbstractContextManager[Rows]:
        """Begin a durable transaction; what it reads, no other transaction changes meanwhile.

        Raises
        ------
        ScheduleError
            If the database cannot be used. Nothing, or after a lost connection perhaps everything, was written then.
        """

    def close(self) -> None:
        """Close the connection; the next use opens it again."""


def open_database(project: Project) -> Database:
    """Return the database of a project's schedules; it is created at its first use."""
    address = log_address(project)
    return Sqlite(project.state / "schedules.sqlite") if isinstance(address, Path) else Postgres(address)


class Sqlite:
    """A SQLite file, for the processes of one machine.

    Leases end by the time since the machine started. It passes while the machine sleeps, and no change of the clock
    affects it.
    """

    for_update = ""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, RLock()
        self._connection: sqlite3.Connection | None = None

    def all(self, query: str, *values: Any) -> Sequence[Sequence[Any]]:
        return self._opened().execute(query, values).fetchall()

    def change(self, query: str, *values: Any) -> int:
        return self._opened().execute(query, values).rowcount

    def now(self) -> tuple[str, float]:
        return BOOT_ID, boot_seconds()

    @contextmanager
    def transaction(self) -> Iterator[Rows]:
        with self._lock:
            try:
                self._opened().execute("BEGIN IMMEDIATE")
                yield self
                self._opened().execute("COMMIT")
            except BaseException as error:
                self.close()
                if isinstance(error, (sqlite3.Error, OSError)):
                    raise ScheduleError(
                        f"The schedules in '{self._path}' cannot be used: {error}. Check the disk and the file's permissions."
                    ) from error
                raise

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            create_private(self._path)
            connection = sqlite3.connect(
                self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            self._connection = connection
            _prepare(self, bool(self.all("SELECT 1 FROM sqlite_master")), str(self._path))
            connection.execute("COMMIT")
        return self._connection


class Postgres:
    """The tables `nbship_schedule…` of a PostgreSQL database, for several machines; its clock ends leases."""

    for_update = " FOR UPDATE"

    def __init__(self, url: str) -> None:
        self._url, self._lock = url, RLock()
        self._connection: psycopg.Connection[Any] | None = None

    def all(self, query: str, *values: Any) -> Sequence[Sequence[Any]]:
        return self._opened().execute(_with_marks(query), values).fetchall()

    def change(self, query: str, *values: Any) -> int:
        return self._opened().execute(_with_marks(query), values).rowcount

    def now(self) -> tuple[str, float]:
        return "", float(self.all("SELECT extract(epoch FROM clock_timestamp())::float8")[0][0])

    @contextmanager
    def transaction(self) -> Iterator[Rows]:
        with self._lock, self._failures():
            try:
                with self._opened().transaction():
                    yield self
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                with suppress(Exception):
                    self._connection.close()
            self._connection = None

    def _opened(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            connection = connect_server(self._url, patience=_SERVER_SECONDS)
            self._connection = connection
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                there = self.all("SELECT to_regclass('nbship_schedule_format')")[0][0] is not None
                _prepare(self, there, shown_url(self._url))
        return self._connection

    def _failures(self) -> AbstractContextManager[None]:
        return server_errors(
            self._url,
            lambda reason: ScheduleError(
                f"The schedules in '{shown_url(self._url)}' cannot be used: {reason}. Check that the database is running and that 'log.url' is correct."
            ),
        )


def _with_marks(query: str) -> str:
    return query.replace("?", "%s")


def _prepare(rows: Rows, there: bool, name: str) -> None:
    if not there:
        for statement in _TABLES.split(";"):
            rows.change(statement)
        rows.change("INSERT INTO nbship_schedule_format VALUES (?)", FORMAT)
    found = rows.all("SELECT format FROM nbship_schedule_format")[0][0]
    if found > FORMAT:
        raise ScheduleError(
            f"The schedules in '{name}' have format {found}, written by a newer nbship; this version reads up to format {FORMAT}. Upgrade nbship."
        )
