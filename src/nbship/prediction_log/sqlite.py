"""The prediction log in one SQLite file."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import astuple, fields
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import LogError, UnknownPredictionError
from .commits import GroupCommit
from .records import BatchRun, Label, Record, from_micros, to_micros

__all__ = ["SCHEMA_VERSION", "SqliteLog"]

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE records (
    id TEXT PRIMARY KEY, at INTEGER NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL,
    caller TEXT NOT NULL, mode TEXT NOT NULL, inputs TEXT, outputs TEXT, error TEXT, latency_ms REAL NOT NULL,
    keys TEXT, event_time INTEGER, event_zone TEXT, redacted TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX records_event_time ON records (event_time);
CREATE INDEX records_keys ON records (keys);
CREATE INDEX records_at ON records (at);
CREATE TABLE batches (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, at INTEGER NOT NULL, seconds REAL NOT NULL, model TEXT NOT NULL,
    version TEXT NOT NULL, digest TEXT NOT NULL, caller TEXT NOT NULL, input_path TEXT NOT NULL,
    input_digest TEXT NOT NULL, output_path TEXT NOT NULL, output_digest TEXT NOT NULL, rows INTEGER NOT NULL,
    rejected INTEGER NOT NULL, first_event INTEGER, last_event INTEGER);
CREATE INDEX batches_id ON batches (id);
CREATE TABLE labels (
    number INTEGER PRIMARY KEY, label TEXT NOT NULL, at INTEGER NOT NULL, prediction_id TEXT, keys TEXT, time INTEGER);
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""
_TABLES: dict[type, str] = {Record: "records", BatchRun: "batches", Label: "labels"}
_MOMENTS = {"at", "event_time", "first_event", "last_event", "time"}

Entry: TypeAlias = "Record | BatchRun | Label"


class SqliteLog:
    """A prediction log in the file `path`, made on first use; many threads and processes may share it."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()
        self._writing: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        with self._failures("opened"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _connected(self.path) as connection:
                self.salt = _prepare(connection, self.path)
        self._commits: GroupCommit[Sequence[Entry]] = GroupCommit(self._commit)

    def submit(self, entries: Sequence[Entry]) -> Future[None]:
        """Queue entries; the future is done when all of them are durable."""
        return self._commits.submit(entries)

    def append(self, *entries: Entry) -> None:
        """Write entries and return when they are durable."""
        self.submit(entries).result()

    def check(self) -> None:
        """Raise LogError unless a record could be written now."""
        self.append()

    def find(self, id: str) -> Record:
        """Return the record with this id."""
        found: list[Record] = list(self._read(Record, "WHERE id = ?", (id,)))
        if found:
            return found[0]
        raise UnknownPredictionError(
            f"The prediction log has no record '{id}'. Take an id from an answer, or from the column 'prediction_id' of an output."
        )

    def records(self, start: datetime, end: datetime) -> list[Record]:
        """Return the records whose event time lies in the window, in the order of their ids."""
        window = (to_micros(start), to_micros(end))
        return list(self._read(Record, "WHERE event_time >= ? AND event_time < ? ORDER BY id", window))

    def recent(self, count: int) -> list[Record]:
        """Return the newest records, newest first."""
        return list(self._read(Record, "ORDER BY id DESC LIMIT ?", (count,)))

    def batches(self, start: datetime | None = None, end: datetime | None = None) -> list[BatchRun]:
        """Return the batch runs with an event in the window, newest first; without a window, all of them."""
        if start is None or end is None:
            return list(self._read(BatchRun, "ORDER BY number DESC", ()))
        window = (to_micros(start), to_micros(end))
        return list(self._read(BatchRun, "WHERE last_event >= ? AND first_event < ? ORDER BY number DESC", window))

    def batch(self, id: str) -> list[BatchRun]:
        """Return the runs of one batch, newest first."""
        return list(self._read(BatchRun, "WHERE id = ? ORDER BY number DESC", (id,)))

    def labels(self) -> list[Label]:
        """Return every label, in the order in which they were told."""
        return list(self._read(Label, "ORDER BY number", ()))

    def answered(self, start: datetime, end: datetime) -> list[Record]:
        """Return the records, refusals included, that were answered from `start` until before `end`."""
        window = (to_micros(start), to_micros(end))
        return list(self._read(Record, "WHERE at >= ? AND at < ? ORDER BY id", window))

    def counts(self, start: datetime, end: datetime) -> tuple[int, ...]:
        """Count the entries that concern a window: by event time, by time of answer, batch runs, and all labels."""
        window = (to_micros(start), to_micros(end))
        queries = (
            ("records WHERE event_time >= ? AND event_time < ?", window),
            ("records WHERE at >= ? AND at < ?", window),
            ("batches WHERE last_event >= ? AND first_event < ?", window),
            ("labels", ()),
        )
        with self._failures("read"), _connected(self.path) as connection:
            found = (connection.execute(f"SELECT count(*) FROM {what}", values) for what, values in queries)
            return tuple(row.fetchone()[0] for row in found)

    def last_event(self) -> datetime | None:
        """Return the latest event time of a prediction, or None."""
        query = "SELECT max(moment) FROM (SELECT max(event_time) AS moment FROM records UNION ALL SELECT max(last_event) FROM batches)"
        with self._failures("read"), _connected(self.path) as connection:
            latest = connection.execute(query).fetchone()[0]
        return None if latest is None else from_micros(latest)

    def known(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids under which a prediction is logged."""
        query = "SELECT 1 FROM records WHERE id = ? AND outputs IS NOT NULL"
        with self._failures("read"), _connected(self.path) as connection:
            return {id for id in ids if connection.execute(query, (id,)).fetchone()}

    def has_keys(self, keys: str) -> bool:
        """Tell whether a record has these key columns."""
        return next(iter(self._read(Record, "WHERE keys = ? LIMIT 1", (keys,))), None) is not None

    def keys(self) -> set[str]:
        """Return the key columns of all records."""
        with self._failures("read"), _connected(self.path) as connection:
            return {row[0] for row in connection.execute("SELECT DISTINCT keys FROM records WHERE keys IS NOT NULL")}

    def close(self) -> None:
        """Write what waits and close the file."""
        self._commits.close()
        self._drop()

    def __enter__(self) -> SqliteLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, kind: type[Any], where: str, arguments: Sequence[object]) -> Iterator[Any]:
        names = [field.name for field in fields(kind)]
        query = f"SELECT {', '.join(names)} FROM {_TABLES[kind]} {where}"
        with self._failures("read"), _connected(self.path) as connection:
            rows = connection.execute(query, arguments).fetchall()
        for row in rows:
            yield kind(**{name: _from_column(name, value) for name, value in zip(names, row, strict=True)})

    def _commit(self, group: Sequence[Sequence[Entry]]) -> list[Exception | None]:
        with self._failures("written"):
            try:
                connection = self._writer()
                connection.execute("BEGIN IMMEDIATE")
                outcomes = [_insert(connection, entries) for entries in group]
                connection.execute("COMMIT")
            except (sqlite3.Error, OSError):
                self._drop()
                raise
        return outcomes

    def _writer(self) -> sqlite3.Connection:
        # SQLite would go on writing to a file that was deleted or replaced, and nobody would ever read it.
        if self._writing is not None and _identity(self.path) != self._file:
            self._drop()
        if self._writing is None:
            self._writing = _connect(self.path)
            self.salt = _prepare(self._writing, self.path)
            self._file = _identity(self.path)
        return self._writing

    def _drop(self) -> None:
        if self._writing is not None:
            with suppress(sqlite3.Error):
                self._writing.close()
        self._writing = None

    @contextmanager
    def _failures(self, done: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LogError(
                f"The prediction log '{self.path}' cannot be {done}: {error}. Check the disk and the file's permissions, or set 'log.url' in nbship.yaml."
            ) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    connection = _connect(path)
    try:
        yield connection
    finally:
        connection.close()


def _prepare(connection: sqlite3.Connection, path: Path) -> bytes:
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > SCHEMA_VERSION:
            raise LogError(
                f"The prediction log '{path}' was written by a newer nbship (its format is {found}, this one reads up to {SCHEMA_VERSION}). Upgrade nbship."
            )
        if found == 0:
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise LogError(
                    f"'{path}' is a SQLite file, but not a prediction log. Name another file in 'log.url' of nbship.yaml."
                )
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES ('salt', ?)", (os.urandom(16),))
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        salt: bytes = connection.execute("SELECT value FROM meta WHERE name = 'salt'").fetchone()[0]
        connection.execute("COMMIT")
        return salt
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _insert(connection: sqlite3.Connection, entries: Sequence[Entry]) -> Exception | None:
    connection.execute("SAVEPOINT entries")
    try:
        for entry in entries:
            columns = [field.name for field in fields(entry)]
            values = [_to_column(value) for value in astuple(entry)]
            marks = ", ".join("?" * len(columns))
            connection.execute(f"INSERT INTO {_TABLES[type(entry)]} ({', '.join(columns)}) VALUES ({marks})", values)
    except (sqlite3.IntegrityError, sqlite3.DataError, ValueError) as error:
        connection.execute("ROLLBACK TO entries")
        return LogError(f"A record was refused by the prediction log: {error}. Give every prediction an id of its own.")
    finally:
        connection.execute("RELEASE entries")
    return None


def _to_column(value: object) -> object:
    if isinstance(value, datetime):
        return to_micros(value)
    return json.dumps(value) if isinstance(value, tuple) else value


def _from_column(name: str, value: Any) -> Any:
    if name in _MOMENTS and value is not None:
        return from_micros(value)
    return tuple(json.loads(value)) if name == "redacted" else value


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
