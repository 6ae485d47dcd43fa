"""A prediction log in a PostgreSQL database, shared by several machines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, LiteralString

from ...errors import LogError
from ...project import shown_url
from ..records import Record
from ..rows import COLUMNS, TABLES, Entry, rows_of
from .schema import prepare
from .servers import reason_of, server_errors

if TYPE_CHECKING:
    import psycopg

    from .connections import WatchedConnection

__all__ = ["Postgres"]

# After a server did not respond, it is left alone for this time: callers that wait in a queue get their errors at once.
_PAUSE_SECONDS = 1.0
_CHECK = "INSERT INTO nbship_meta VALUES ('checked', %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
# Scans may take long before they return their first row; the server ends a statement after a minute.
_LOOKUP_SECONDS, _SCAN_SECONDS, _VACUUM_SECONDS = 5.0, 65.0, 3600.0


class Postgres:
    """The database at `url`; its tables are created on first use.

    Parameters
    ----------
    patience
        After this number of seconds without a response, a write fails.
    writer
        The number of the spool whose entries are written to the database, in which entries of an interrupted write
        are stored too. See `write_once`.
    """

    mark = "%s"
    prefix = "nbship_"

    def __init__(self, url: str, *, patience: float = _LOOKUP_SECONDS, writer: int | None = None) -> None:
        self._url, self._patience, self._writer = url, patience, writer
        self._writing: WatchedConnection | None = None
        self._not_before = 0.0
        with self._failures("opened"), self._connect(_LOOKUP_SECONDS) as connection:
            self.salt = prepare(connection, str(self))

    def __str__(self) -> str:
        """The URL without its password."""
        return shown_url(self._url)

    def write(self, group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None]:
        """Write several lists of entries in one durable transaction; return for each None or its error."""
        with self._transaction(self._patience) as connection:
            if self._writer is not None:
                connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (self._writer,))
            return _insert_group(connection, group)

    def write_once(self, entries: Sequence[Entry]) -> Sequence[Exception | None]:
        """Write entries of which an interrupted `write` may have stored some; return for each None or its error.

        An interrupted write may even be committed later, by a server that was stopped when it received the COMMIT::

            write       begin · lock (shared) · insert · COMMIT sent ... no response ... ──► committed
            write_once                                  lock (exclusive) waits ─────────────► · select · insert · commit
        """
        with self._transaction(_LOOKUP_SECONDS) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (self._writer,))
            stored = _stored_rows(connection, entries)
            new = [entry for entry, row in zip(entries, map(_row, entries), strict=True) if row not in stored]
            errors = dict(zip(map(id, new), _insert_group(connection, [[entry] for entry in new]), strict=True))
            return [errors.get(id(entry)) for entry in entries]

    def try_write(self, group: Sequence[Sequence[Entry]]) -> None:
        """Return None: writing to a server always waits for it."""

    @contextmanager
    def connected(self, action: str, *, slow: bool = False) -> Iterator[WatchedConnection]:
        """Yield a connection for one use."""
        with self._failures(action), self._connect(_LOOKUP_SECONDS) as connection:
            if slow:
                connection.patience = _SCAN_SECONDS
            yield connection

    def stores(self) -> Sequence[Postgres]:
        """Return this database."""
        return (self,)

    def deleting(self) -> AbstractContextManager[None]:
        """Return a context that does nothing: the disk is the server's."""
        return nullcontext()

    def erase(self) -> None:
        """Let PostgreSQL free the space of deleted entries; its write-ahead log and backups are its own."""
        self._vacuum("VACUUM (INDEX_CLEANUP ON, TRUNCATE OFF) nbship_records, nbship_labels")

    def shrink(self) -> None:
        """Let PostgreSQL reuse the space of deleted entries, and return what is free at the end of its files."""
        self._vacuum("VACUUM nbship_records, nbship_batches, nbship_labels")

    def _vacuum(self, statement: LiteralString) -> None:
        with self.connected("written") as connection:
            connection.patience = _VACUUM_SECONDS
            connection.execute("SET statement_timeout = 0")
            connection.execute(statement)

    def close(self) -> None:
        """Close the writing connection; the next write opens it again."""
        if self._writing is not None:
            with suppress(Exception):
                self._writing.close()
        self._writing = None

    @contextmanager
    def _transaction(self, patience: float) -> Iterator[WatchedConnection]:
        with self._failures("written"):
            try:
                if self._writing is None:
                    self._writing = self._connect(patience)
                    self.salt = prepare(self._writing, str(self))
                self._writing.patience = patience
                with self._writing.transaction():
                    yield self._writing
            except BaseException:
                # The connection may be in the middle of a transaction.
                self.close()
                raise

    def _connect(self, patience: float) -> WatchedConnection:
        from .connections import NoResponseError, connect

        if time.monotonic() < self._not_before:
            raise NoResponseError("The server did not respond, and is tried again in a second.")
        return connect(self._url, patience=patience)

    @contextmanager
    def _failures(self, action: str) -> Iterator[None]:
        def error_of(reason: str) -> LogError:
            return LogError(
                f"The prediction log '{self}' cannot be {action}: {reason}. Check that the database is running and that 'log.url' is correct."
            )

        with server_errors(self._url, error_of):
            from .connections import NoResponseError

            try:
                yield
            except NoResponseError:
                if time.monotonic() >= self._not_before:
                    self._not_before = time.monotonic() + _PAUSE_SECONDS
                raise


def _insert_group(connection: psycopg.Connection[Any], group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None]:
    """Insert several lists of entries: all at once or, if an entry is rejected, list by list."""
    whole = [entry for entries in group for entry in entries]
    if not whole:
        # A check, whether the log can be written: only a write shows it.
        connection.execute(_CHECK, (time.time_ns().to_bytes(8),))
        return [None] * len(group)
    if _insert(connection, whole) is None:
        return [None] * len(group)
    return [_insert(connection, entries) for entries in group]


def _insert(connection: psycopg.Connection[Any], entries: Sequence[Entry]) -> Exception | None:
    import psycopg

    try:
        with connection.transaction(), connection.cursor() as cursor:
            for kind, table in TABLES.items():
                if rows := rows_of([entry for entry in entries if type(entry) is kind]):
                    marks = ", ".join(["%s"] * len(COLUMNS[kind]))
                    names = ", ".join(COLUMNS[kind])
                    cursor.executemany(f"INSERT INTO nbship_{table} ({names}) VALUES ({marks})", rows)
    except (psycopg.IntegrityError, psycopg.DataError, ValueError) as error:
        return LogError(
            f"The prediction log rejected a record: {reason_of(error)}. Every prediction needs a unique id."
        )
    return None


def _stored_rows(connection: psycopg.Connection[Any], entries: Sequence[Entry]) -> set[tuple[object, ...]]:
    """Return those rows of entries, with the name of their table, that the database already has."""
    found: set[tuple[object, ...]] = set()
    for kind, table in TABLES.items():
        here = [entry for entry in entries if type(entry) is kind]
        name = "id" if kind is Record else "at"
        values = [row[COLUMNS[kind].index(name)] for row in rows_of(here)]
        query = f"SELECT {', '.join(COLUMNS[kind])} FROM nbship_{table} WHERE {name} = ANY(%s)"
        if here:
            found |= {(table, *row) for row in connection.execute(query, (values,)).fetchall()}
    return found


def _row(entry: Entry) -> tuple[object, ...]:
    return TABLES[type(entry)], *rows_of([entry])[0]
