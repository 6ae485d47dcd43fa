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
from .facts import Facts
from .reading import BAD, NUMBER, ROWS_FILE, bad_schema, row_schema

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["QUARANTINE_FILE", "WINDOW_FILE", "write_canonical"]

WINDOW_FILE, QUARANTINE_FILE = "window.parquet", "quarantine.parquet"
_GROUP_ROWS = 100_000
_MEMORY = "512MB"


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
        order = _order(source)
        if source.settings.key:
            partition = ", ".join(map(_quoted, source.settings.key))
            place = f"row_number() OVER (PARTITION BY {partition} ORDER BY {order}, {_quoted(NUMBER)})"
            connection.execute(f"CREATE TABLE placed AS SELECT *, {place} AS place FROM found")
            others = connection.execute(
                f"SELECT count(*), min({_quoted(NUMBER)}) FROM placed WHERE place > 1"
            ).fetchall()[0]
            reason = f"is the only row with its {', '.join(source.settings.key)}"
            accepted = "SELECT * EXCLUDE (place) FROM placed WHERE place = 1"
            row = "{" + ", ".join(f"{_literal(name)}: {_quoted(name)}" for name in source.columns) + "}"
            duplicates = f"UNION ALL SELECT {_quoted(NUMBER)}, {_literal(reason)}, CAST(to_json({row}) AS VARCHAR) FROM placed WHERE place > 1"
        else:
            names = ", ".join(map(_quoted, source.columns))
            repeated = f"SELECT count(*) - 1 AS more, max({_quoted(NUMBER)}) AS last FROM found GROUP BY {names} HAVING more > 0"
            others = connection.execute(f"SELECT coalesce(sum(more), 0), min(last) FROM ({repeated})").fetchall()[0]
            accepted, duplicates = "SELECT * FROM found", ""
        count, first = int(others[0]), int(others[1] or 0)
        names = ", ".join(map(_quoted, source.columns))
        _write(
            connection, f"SELECT {names} FROM ({accepted}) ORDER BY {order}", row_schema(source), folder / WINDOW_FILE
        )
        _write(connection, f"SELECT * FROM (SELECT * FROM bad {duplicates}) ORDER BY ALL", bad_schema(), folder / QUARANTINE_FILE)  # fmt: skip
    rows = facts.rows - count if source.settings.key else facts.rows
    return msgspec.structs.replace(facts, rows=rows, duplicates=count, first_duplicate=first)


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
