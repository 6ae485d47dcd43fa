"""A prediction log in a PostgreSQL database, shared by several machines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ..errors import LogError
from ..text import one_line
from .databases import FORMAT
from .rows import COLUMNS, TABLES, Entry, rows_of

if TYPE_CHECKING:
    import psycopg

__all__ = ["Postgres"]

_SCHEMA = """
CREATE TABLE nbship_records (
    id TEXT PRIMARY KEY, at BIGINT NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL,
    caller TEXT NOT NULL, mode TEXT NOT NULL, inputs TEXT, outputs TEXT, error TEXT, latency_ms DOUBLE PRECISION NOT NULL,
    keys TEXT, event_time BIGINT, event_zone TEXT, redacted TEXT NOT NULL, trace TEXT, role TEXT NOT NULL DEFAULT 'served');
CREATE INDEX ON nbship_records (event_time);
CREATE INDEX ON nbship_records (keys);
CREATE INDEX ON nbship_records (at);
CREATE TABLE nbship_batches (
    number BIGSERIAL PRIMARY KEY, id TEXT NOT NULL, at BIGINT NOT NULL, seconds DOUBLE PRECISION NOT NULL,
    model TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL, caller TEXT NOT NULL, input_path TEXT NOT NULL,
    input_digest TEXT NOT NULL, output_path TEXT NOT NULL, output_digest TEXT NOT NULL, rows BIGINT NOT NULL,
    rejected BIGINT NOT NULL, first_event BIGINT, last_event BIGINT);
CREATE INDEX ON nbship_batches (id);
CREATE TABLE nbship_labels (
    number BIGSERIAL PRIMARY KEY, label TEXT NOT NULL, at BIGINT NOT NULL, prediction_id TEXT, keys TEXT, time BIGINT,
    model TEXT);
CREATE TABLE nbship_meta (name TEXT PRIMARY KEY, value BYTEA NOT NULL)
"""
_UPGRADES = {
    2: "ALTER TABLE nbship_records ADD COLUMN role TEXT NOT NULL DEFAULT 'served'; ALTER TABLE nbship_labels ADD COLUMN model TEXT"
}
# The advisory lock for creating and upgrading the tables; an arbitrary number that others are unlikely to use.
_LOCK = 0x6E627368
_SECONDS = 5
# Commits are durable whatever the database's defaults, and no statement waits for ever.
_SESSION = f"SET synchronous_commit = on; SET statement_timeout = '{_SECONDS * 12}s'; SET lock_timeout = '{_SECONDS}s'"


class Postgres:
    """The database at `url`; its tables are created on first use."""

    mark = "%s"
    prefix = "nbship_"

    def __init__(self, url: str) -> None:
        self._url = url
        self._writing: psycopg.Connection[Any] | None = None
        with self._failures("opened"), _connect(url) as connection:
            self.salt = _prepare(connection, str(self))

    def __str__(self) -> str:
        """The URL without its password."""
        from urllib.parse import urlsplit

        parts = urlsplit(self._url)
        where = parts.hostname or "localhost"
        return f"postgresql://{where}{f':{parts.port}' if parts.port else ''}{parts.path}"

    def write(self, group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None]:
        """Write several lists of entries in one durable transaction; return for each None or its error."""
        import psycopg

        with self._failures("written"):
            try:
                if self._writing is None:
                    self._writing = _connect(self._url)
                    self.salt = _prepare(self._writing, str(self))
                with self._writing.transaction():
                    return _insert_group(self._writing, group)
            except (psycopg.Error, OSError):
                self.close()
                raise

    def try_write(self, group: Sequence[Sequence[Entry]]) -> None:
        """Return None: writing to a server always waits for it."""

    @contextmanager
    def connected(self, action: str) -> Iterator[psycopg.Connection[Any]]:
        """Yield a connection for one use."""
        with self._failures(action), _connect(self._url) as connection:
            yield connection

    def stores(self) -> Sequence[Postgres]:
        """Return this database."""
        return (self,)

    def erase(self) -> None:
        """Let PostgreSQL free the space of deleted entries; its write-ahead log and backups are its own."""
        with self.connected("written") as connection:
            connection.execute("SET statement_timeout = 0")
            connection.execute("VACUUM (INDEX_CLEANUP ON, TRUNCATE OFF) nbship_records, nbship_labels")

    def close(self) -> None:
        """Close the writing connection; the next write opens it again."""
        if self._writing is not None:
            with suppress(Exception):
                self._writing.close()
        self._writing = None

    @contextmanager
    def _failures(self, action: str) -> Iterator[None]:
        try:
            import psycopg
        except ImportError as error:
            raise LogError(
                "A prediction log in PostgreSQL needs psycopg. Install it: pip install 'nbship[postgres]'."
            ) from error
        try:
            yield
        except (psycopg.Error, OSError) as error:
            reason = one_line(error).rstrip(".")
            raise LogError(
                f"The prediction log '{self}' cannot be {action}: {reason}. Check that the database is running and that 'log.url' is correct."
            ) from error


def _connect(url: str) -> psycopg.Connection[Any]:
    import psycopg

    connection = psycopg.connect(
        url, autocommit=True, connect_timeout=_SECONDS, application_name="nbship", tcp_user_timeout=_SECONDS * 1000
    )
    connection.execute(_SESSION)
    return connection


def _prepare(connection: psycopg.Connection[Any], name: str) -> bytes:
    with connection.transaction():
        # Services may start at the same time: one creates or upgrades the tables, the others wait.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        there = connection.execute("SELECT to_regclass('nbship_meta')").fetchone()
        if there is None or there[0] is None:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute("INSERT INTO nbship_meta VALUES ('salt', %s)", (os.urandom(16),))
            connection.execute("INSERT INTO nbship_meta VALUES ('format', %s)", (str(FORMAT).encode(),))
        meta = dict(connection.execute("SELECT name, value FROM nbship_meta").fetchall())
        found = int(bytes(meta["format"]))
        if found > FORMAT:
            raise LogError(
                f"The prediction log '{name}' has format {found}, written by a newer nbship; this version reads up to format {FORMAT}. Upgrade nbship."
            )
        for number in range(found, FORMAT):
            connection.execute(_UPGRADES[number])
            connection.execute("UPDATE nbship_meta SET value = %s WHERE name = 'format'", (str(number + 1).encode(),))
        return bytes(meta["salt"])


def _insert_group(connection: psycopg.Connection[Any], group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None]:
    """Insert several lists of entries: all at once or, if an entry is rejected, list by list."""
    whole = [entry for entries in group for entry in entries]
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
        reason = one_line(error)
        return LogError(f"The prediction log rejected a record: {reason}. Every prediction needs a unique id.")
    return None
