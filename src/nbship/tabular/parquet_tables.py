"""Parquet files as Arrow tables, and the ranges of their rows that can be read separately."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["group_sizes", "merge_groups", "parquet_names", "parquet_tables"]


def parquet_names(path: Path) -> list[str]:
    """Return the column names of a file."""
    import pyarrow.parquet as pq

    return [str(name) for name in pq.read_schema(path).names]


def group_sizes(path: Path) -> list[int]:
    """Return the number of rows of each row group of a file."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def merge_groups(sizes: Sequence[int], rows: int) -> list[range]:
    """Merge row groups until a range has at least `rows` rows; the last may have fewer.

    >>> merge_groups([40, 40, 40, 40, 10], 70)
    [range(0, 80), range(80, 160), range(160, 170)]
    """
    spans, start, stop = [], 0, 0
    for number, size in enumerate(sizes):
        stop += size
        if stop - start >= rows or (number == len(sizes) - 1 and stop > start):
            spans.append(range(start, stop))
            start = stop
    return spans


def parquet_tables(path: Path, rows: int, start: int, categories: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows from `start` on, at most `rows` at a time, with `categories` dictionary-encoded."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, read_dictionary=list(categories), coerce_int96_timestamp_unit="us") as file:
        instants = _int96_columns(file)
        groups: list[int] = []
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            if not groups and start >= size:
                start -= size
            else:
                groups.append(group)
        # Read group by group: with all groups in one call, Arrow holds all that it has read in memory.
        for group in groups:
            for batch in file.iter_batches(batch_size=rows, row_groups=[group]):
                if batch.num_rows > start:
                    yield _with_plain_types(pa.Table.from_batches([batch.slice(start)]), instants)
                start = max(0, start - batch.num_rows)


def _int96_columns(file: Any) -> list[str]:
    """Return the columns of the old timestamp type, which holds no time zone: Spark writes it in UTC."""
    columns = [file.schema.column(number) for number in range(len(file.schema))]
    return [column.path for column in columns if column.physical_type == "INT96"]


def _with_plain_types(table: pa.Table, instants: Sequence[str]) -> pa.Table:
    """Return a table without the types that few of Arrow's functions take, and with the time zone of `instants`."""
    import pyarrow as pa

    for position, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        plain = pa.timestamp("us", tz="UTC") if name in instants else _plain(column.type)
        if plain != column.type:
            table = table.set_column(position, name, column.cast(plain))
    return table


def _is_zone(name: str) -> bool:
    import pyarrow as pa

    try:
        return pa.lib.string_to_tzinfo(name) is not None
    except (pa.ArrowInvalid, KeyError, ValueError):
        return False


def _plain(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa
    import pyarrow.types as types

    if isinstance(kind, pa.BaseExtensionType):
        return _plain(kind.storage_type)
    if types.is_timestamp(kind) and kind.tz is not None and not _is_zone(kind.tz):
        return pa.timestamp(kind.unit, tz="UTC")
    if types.is_string_view(kind):
        return pa.string()
    if types.is_binary_view(kind) or types.is_fixed_size_binary(kind):
        return pa.binary()
    is_short = types.is_decimal(kind) and kind.bit_width < 128
    return pa.decimal128(kind.precision, kind.scale) if is_short else kind
