"""The tables of a prediction log in PostgreSQL."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ...errors import LogError
from ..databases import FORMAT

if TYPE_CHECKING:
    import psycopg

__all__ = ["prepare"]

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
_INDEXES = (
    "CREATE INDEX ON nbship_labels (prediction_id); CREATE INDEX ON nbship_labels (keys); "
    "CREATE INDEX ON nbship_labels (at); CREATE INDEX ON nbship_batches (at)"
)
_USAGE = """
CREATE TABLE nbship_usage (
    number BIGSERIAL PRIMARY KEY, at BIGINT NOT NULL, seconds DOUBLE PRECISION NOT NULL, model TEXT NOT NULL,
    process TEXT NOT NULL, cpu_seconds DOUBLE PRECISION NOT NULL, memory_bytes BIGINT NOT NULL);
CREATE INDEX ON nbship_usage (at)
"""
_UPGRADES = {
    2: "ALTER TABLE nbship_records ADD COLUMN role TEXT NOT NULL DEFAULT 'served'; ALTER TABLE nbship_labels ADD COLUMN model TEXT",
    3: _INDEXES,
    4: _USAGE,
}
# The advisory lock for creating and upgrading the tables; an arbitrary number that others are unlikely to use.
_LOCK = 0x6E627368


def prepare(connection: psycopg.Connection[Any], name: str) -> bytes:
    """Create the tables or upgrade their format; return the log's salt for pseudonyms.

    Raises
    ------
    LogError
        If a newer nbship wrote the log.
    """
    with connection.transaction():
        # Services may start at the same time: one creates or upgrades the tables, the others wait.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        there = connection.execute("SELECT to_regclass('nbship_meta')").fetchone()
        if there is None or there[0] is None:
            for statement in f"{_SCHEMA}; {_INDEXES}; {_USAGE}".split(";"):
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
