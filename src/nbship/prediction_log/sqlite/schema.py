"""The tables of a prediction log in SQLite: created in a new file, and upgraded in one of an earlier version."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from ...errors import LogError
from ..databases import FORMAT

__all__ = ["prepare"]

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
_USAGE = """
CREATE TABLE usage (
    number INTEGER PRIMARY KEY, at INTEGER NOT NULL, seconds REAL NOT NULL, model TEXT NOT NULL, process TEXT NOT NULL,
    cpu_seconds REAL NOT NULL, memory_bytes INTEGER NOT NULL);
CREATE INDEX usage_at ON usage (at)
"""
# Format -> the statements that upgrade it to the next one.
_UPGRADES = {
    1: "ALTER TABLE records ADD COLUMN trace TEXT",
    2: "ALTER TABLE records ADD COLUMN role TEXT NOT NULL DEFAULT 'served'; ALTER TABLE labels ADD COLUMN model TEXT",
    3: _INDEXES,
    4: _USAGE,
}


def prepare(connection: sqlite3.Connection, path: Path) -> bytes:
    """Create or upgrade the tables, and return the log's salt for pseudonyms.

    Raises
    ------
    LogError
        If the file is not a prediction log, is of a newer version, or has no salt.
    """
    # A current file is opened without the lock of writers, for which another command might wait long beside a service.
    if connection.execute("PRAGMA user_version").fetchone()[0] == FORMAT:
        return _salt(connection, path)
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
            for statement in f"{_SCHEMA};{_INDEXES};{_USAGE}".split(";"):
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES ('salt', ?)", (os.urandom(16),))
        for number in range(found or FORMAT, FORMAT):
            for statement in _UPGRADES[number].split(";"):
                connection.execute(statement)
        if found != FORMAT:
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        salt = _salt(connection, path)
        connection.execute("COMMIT")
        return salt
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _salt(connection: sqlite3.Connection, path: Path) -> bytes:
    row = connection.execute("SELECT value FROM meta WHERE name = 'salt'").fetchone()
    if row is None:
        raise LogError(
            f"The prediction log '{path}' has lost the salt of its pseudonyms, so it is damaged. Stop what uses it, and restore a backup."
        )
    return bytes(row[0])
