"""Insert entries into a prediction log in SQLite, many rows a statement."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, compress

from ...errors import LogError
from ..rows import COLUMNS, TABLES, Entry, rows_of

__all__ = ["insert_group"]

_ROWS = 512


def insert_group(connection: sqlite3.Connection, group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None]:
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

    The numbers of rows are powers of two, so that only ten different statements are prepared and cached for the same
    columns. For example, 700 rows are inserted as 512, 128, 32, 16, 8 and 4.
    """
    for kind, table in TABLES.items():
        rows = rows_of([entry for entry in entries if type(entry) is kind])
        while rows:
            count = min(_ROWS, 1 << len(rows).bit_length() - 1)
            part, rows = rows[:count], rows[count:]
            # Binding a null takes longer than binding a string, and predictions have several columns of nulls.
            columns = list(zip(*part, strict=True))
            given = [column[0] is not None or column.count(None) < count for column in columns]
            values = chain.from_iterable(zip(*compress(columns, given), strict=True))
            yield _insertion(table, tuple(compress(COLUMNS[kind], given)), count), list(values)


@lru_cache(maxsize=256)
def _insertion(table: str, columns: Sequence[str], count: int) -> str:
    marks = ", ".join([f"({', '.join('?' * len(columns))})"] * count)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {marks}"
