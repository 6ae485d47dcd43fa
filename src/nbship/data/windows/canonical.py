"""Canonical files of windows: the same rows give the same bytes, in whatever order and batches they arrived.

Rows are sorted by time, key and the other columns, and written in row groups of one size. DuckDB sorts and finds duplicates,
with temporary files where memory does not suffice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..sources import DeclaredSource, record_batches
from .facts import FILE_NUMBERS, Facts
from .reading import BAD, NUMBER, ROWS_FILE, bad_schema, row_schema

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["QUARANTINE_FILE", "WINDOW_FILE", "write_canonical"]

WINDOW_FILE, QUARANTINE_FILE = "window.parquet", "quarantine.parquet"
_GROUP_ROWS = 100_000
_MEMORY = "512MB"
# Names that no declared column is called by.
_NUMBER, _PLACE, _MORE, _LAST = (f'"{name}"' for name in (NUMBER, "nbship:place", "nbship:more", "nbship:last"))


def write_canonical(source: DeclaredSource, facts: Facts, folder: Path) -> Facts:
    """Write the window and the quarantine from what was read; return the facts with the duplicates.

    Of rows with the same key, the first in the order of the other columns is accepted.
    """
    import duckdb

    settings: dict[str, Any] = {"threads": 1, "memory_limit": _MEMORY, "temp_directory": str(folder / "sorting"), "autoinstall_known_extensions": False}  # fmt: skip
    with duckdb.connect(config=settings) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.read_parquet(str(folder / ROWS_FILE)).create_view("found")
        connection.read_parquet(str(folder / BAD)).create_view("bad")
        names, order = ", ".join(map(_quoted, source.columns)), _order(source)
        if source.settings.key:
            count, first = _place(connection, source, order)
            rows, accepted = facts.rows - count, f"SELECT {names} FROM placed WHERE {_PLACE} = 1"
            bad = f"SELECT * FROM bad UNION ALL {_duplicates(source, facts)}"
        else:
            count, first = _count_equal(connection, names)
            rows, accepted, bad = facts.rows, f"SELECT {names} FROM found", "SELECT * FROM bad"
        _write(connection, f"{accepted} ORDER BY {order}", row_schema(source), folder / WINDOW_FILE)
        _write(connection, f"SELECT * FROM ({bad}) ORDER BY ALL", bad_schema(), folder / QUARANTINE_FILE)
    return msgspec.structs.replace(facts, rows=rows, duplicates=count, first_duplicate=first)


def _place(connection: duckdb.DuckDBPyConnection, source: DeclaredSource, order: str) -> tuple[int, int]:
    """Number the rows of each key; return how many are not the first, and the smallest number of these."""
    key = ", ".join(map(_quoted, source.settings.key))
    place = f"row_number() OVER (PARTITION BY {key} ORDER BY {order}, {_NUMBER}) AS {_PLACE}"
    connection.execute(f"CREATE TABLE placed AS SELECT *, {place} FROM found")
    return _counted(connection, f"SELECT count(*), min({_NUMBER}) FROM placed WHERE {_PLACE} > 1")


def _count_equal(connection: duckdb.DuckDBPyConnection, names: str) -> tuple[int, int]:
    """Return how many rows equal another one, and the smallest number of one that came last."""
    equal = f"SELECT count(*) - 1 AS {_MORE}, max({_NUMBER}) AS {_LAST} FROM found GROUP BY {names} HAVING count(*) > 1"
    return _counted(connection, f"SELECT coalesce(sum({_MORE}), 0), min({_LAST}) FROM ({equal})")


def _counted(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, int]:
    count, first = connection.execute(query).fetchall()[0]
    return int(count), int(first or 0)


def _duplicates(source: DeclaredSource, facts: Facts) -> str:
    """Return the query of the rows that are not the first of their key, as quarantined rows."""
    files = f"[{', '.join(map(_literal, facts.files))}]::VARCHAR[]"
    file = f"coalesce(list_extract({files}, {_NUMBER} // {FILE_NUMBERS} + 1), '')"
    reason = _literal(f"is the only row with its {', '.join(source.settings.key)}")
    row = "{" + ", ".join(f"{_literal(name)}: {_quoted(name)}" for name in source.columns) + "}"
    return (
        f"SELECT {file}, {_NUMBER} % {FILE_NUMBERS}, {reason}, to_json({row})::VARCHAR FROM placed WHERE {_PLACE} > 1"
    )


def _order(source: DeclaredSource) -> str:
    """Return a total order of different rows: time and key first."""
    names = dict.fromkeys([source.settings.time, *source.settings.key, *source.columns])
    return ", ".join(f"{_quoted(name)} NULLS FIRST" for name in names)


def _write(connection: duckdb.DuckDBPyConnection, query: str, schema: pa.Schema, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    reader = record_batches(connection, query, rows=_GROUP_ROWS)
    with pq.ParquetWriter(path, schema, compression="zstd", write_statistics=True) as writer:
        for table in _regrouped(pa.Table.from_batches([batch]).cast(schema) for batch in reader):
            writer.write_table(table.combine_chunks(), row_group_size=_GROUP_ROWS)


def _regrouped(tables: Iterable[Any]) -> Iterator[Any]:
    """Yield the rows in tables of one size, so that the file does not depend on batches."""
    import pyarrow as pa

    pending: list[Any] = []
    count = 0
    for table in tables:
        pending.append(table)
        count += table.num_rows
        while count >= _GROUP_ROWS:
            joined = pa.concat_tables(pending)
            yield joined.slice(0, _GROUP_ROWS)
            pending, count = [joined.slice(_GROUP_ROWS)], count - _GROUP_ROWS
    if count:
        yield pa.concat_tables(pending)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
