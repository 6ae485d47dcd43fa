"""Where alerts are stored: tables of their own in the PostgreSQL database of the log, or a SQLite file beside it.

With SQLite, alerts have a file of their own, so that a service never waits for alerts when it writes its log.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from ..atomic_write import create_private
from ..errors import AlertError
from ..prediction_log import connect_server, log_address, server_errors
from ..project import Project, shown_url
from ..text import one_line
from .schema import FORMAT, TABLES

__all__ = ["Database", "Transaction", "open_database"]

_BUSY_SECONDS, _SERVER_SECONDS, _PAUSE_SECONDS = 30, 10.0, 0.05
# Arbitrary numbers that others are unlikely to use: for one transaction, and while a process delivers.
_TRANSACTION_LOCK, _DELIVERY_LOCK = 0x6E62616C, 0x6E62616D


class Transaction(Protocol):
    """A transaction, which other processes see whole or not at all. One runs at a time."""

    def execute(self, query: str, values: Sequence[Any] = (), /) -> list[tuple[Any, ...]]:
        """Run a query, with `?` for each value, and return its rows."""


class Database(Protocol):
    """A database with the tables of alerts."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin a transaction; it is durable when the block ends, and undone if the block raises."""

    def delivering(self, seconds: float) -> AbstractContextManager[bool]:
        """Yield whether this process is the only one that delivers, after waiting for another one.

        The operating system, or the server, ends the claim of a process that is killed.
        """

    def close(self) -> None:
        """Close all connections."""


def open_database(project: Project) -> Database:
    """Open the database of a project's alerts; its tables are created on first use.

    Raises
    ------
    AlertError
        If it cannot be opened, or was written by a newer nbship.
    """
    address = log_address(project)
    database = _Sqlite(project.state / "alerts.sqlite") if isinstance(address, Path) else _Postgres(address)
    with database.transaction() as transaction:
        for statement in TABLES:
            transaction.execute(statement)
        transaction.execute("INSERT INTO nbship_alert_meta VALUES (1, ?) ON CONFLICT DO NOTHING", (FORMAT,))
        ((found,),) = transaction.execute("SELECT format FROM nbship_alert_meta")
    if found > FORMAT:
        database.close()
        raise AlertError(
            f"The alerts in '{database}' have format {found}, written by a newer nbship; this version reads format {FORMAT}. Upgrade nbship."
        )
    return database


class _Sqlite:
    def __init__(self, path: Path) -> None:
        self._path = path
        with self._failures():
            path.parent.mkdir(parents=True, exist_ok=True)
            create_private(path)
            self._connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            # A commit survives a loss of power.
            self._connection.execute("PRAGMA synchronous = EXTRA")

    def __str__(self) -> str:
        return str(self._path)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._failures():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def execute(self, query: str, values: Sequence[Any] = (), /) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()

    @contextmanager
    def delivering(self, seconds: float) -> Iterator[bool]:
        handle = os.open(self._path.with_name("alerts.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield _waited(lambda: _is_locked(handle), seconds)
        finally:
            os.close(handle)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise AlertError(
                f"The alerts in '{self._path}' cannot be read or written: {one_line(error)}. Check the file and the free space of its disk."
            ) from error


class _Postgres:
    def __init__(self, url: str) -> None:
        self._url = url
        with self._failures():
            self._connection = connect_server(url, patience=_SERVER_SECONDS)

    def __str__(self) -> str:
        return shown_url(self._url)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._failures(), self._connection.transaction():
            self.execute("SELECT pg_advisory_xact_lock(?)", (_TRANSACTION_LOCK,))
            yield self

    def execute(self, query: str, values: Sequence[Any] = (), /) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(query.replace("?", "%s"), values)
        return [] if cursor.description is None else list(cursor.fetchall())

    @contextmanager
    def delivering(self, seconds: float) -> Iterator[bool]:
        with self._failures():
            mine = _waited(self._try_lock, seconds)
        try:
            yield mine
        finally:
            if mine and not self._connection.closed:
                with self._failures():
                    self.execute("SELECT pg_advisory_unlock(?)", (_DELIVERY_LOCK,))

    def close(self) -> None:
        self._connection.close()

    def _try_lock(self) -> bool:
        return bool(self.execute("SELECT pg_try_advisory_lock(?)", (_DELIVERY_LOCK,))[0][0])

    def _failures(self) -> AbstractContextManager[None]:
        return server_errors(
            self._url,
            lambda reason: AlertError(
                f"The alerts in '{self}' cannot be read or written: {reason}. Check that the database is running and that 'log.url' is correct."
            ),
        )


def _is_locked(handle: int) -> bool:
    import fcntl  # not on Windows

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _waited(is_locked: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not is_locked():
        if time.monotonic() >= end:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True
