"""CSV files as Arrow tables of strings. A row with too few or too many values stays in its table, as invalid."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..text import counted
from .csv_dialects import SAMPLE_BYTES, CsvOptions, Dialect, find_dialect
from .formats import Format, open_stream
from .problems import split_problems, with_problems
from .utf8_stream import UNDECODABLE, Utf8Stream

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["csv_names", "csv_tables"]

_BLOCK_BYTES = 8_000_000
_UNCLOSED = "a quote before its end is not closed"


def csv_names(path: Path, format: Format, options: CsvOptions) -> list[str]:
    """Return the column names in the header."""
    return list(_dialect(path, format, options).names)


def _dialect(path: Path, format: Format, options: CsvOptions) -> Dialect:
    with open_stream(path, format.compression) as stream:
        return find_dialect(path, stream.read(SAMPLE_BYTES), options)


def csv_tables(path: Path, format: Format, options: CsvOptions) -> Iterator[pa.Table]:
    """Yield the rows, block by block.

    Raises
    ------
    ValueError
        If a quote is not closed, or a row is longer than a block.
    """
    import pyarrow as pa

    dialect = _dialect(path, format, options)
    ragged: deque[Any] = deque()
    table, start = None, 0
    with closing(Utf8Stream(open_stream(path, format.compression), dialect.encoding)) as stream:
        try:
            for batch in _batches(stream, dialect, ragged):
                table = _with_ragged(pa.Table.from_batches([batch]), start, ragged, dialect)
                start += table.num_rows
                yield _with_undecodable(table, dialect) if stream.has_undecodable else table
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error):
                raise
            raise ValueError(f"a row is longer than {_BLOCK_BYTES:,} bytes, or {_UNCLOSED}") from error
        _check_quotes(table, stream.tail, ragged)
    if ragged:
        empty = pa.table({name: pa.array([], pa.string()) for name in dialect.names})
        yield _with_ragged(empty, start, ragged, dialect, is_last=True)


def _batches(stream: Utf8Stream, dialect: Dialect, ragged: deque[Any]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.csv as pc

    def set_aside(row: Any) -> str:
        ragged.append((row.number - 2 - dialect.skipped, row.actual_columns, row.text))
        return "skip"

    reader = pc.open_csv(
        stream,
        read_options=pc.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False, skip_rows=dialect.skipped),
        parse_options=pc.ParseOptions(
            newlines_in_values=True, delimiter=dialect.separator, invalid_row_handler=set_aside
        ),
        convert_options=pc.ConvertOptions(
            column_types=dict.fromkeys(dialect.names, pa.string()), strings_can_be_null=False
        ),
    )
    with reader:
        yield from reader


def _with_ragged(
    table: pa.Table, start: int, ragged: deque[Any], dialect: Dialect, *, is_last: bool = False
) -> pa.Table:
    """Return a table with the ragged rows between its rows; those after its last row belong to the next table."""
    import numpy as np
    import pyarrow as pa

    found: list[Any] = []
    while ragged and (is_last or ragged[0][0] < start + table.num_rows + len(found)):
        found.append(ragged.popleft())
    if not found:
        return with_problems(table, {})
    positions = [number - start for number, _, _ in found]
    values = [_values(text, dialect) for _, _, text in found]
    columns = {name: pa.array(column, pa.string()) for name, column in zip(dialect.names, zip(*values, strict=True), strict=True)}  # fmt: skip
    order = np.empty(table.num_rows + len(found), dtype=np.int64)
    order[positions] = np.arange(len(found)) + table.num_rows
    order[np.setdiff1d(np.arange(len(order)), positions)] = np.arange(table.num_rows)
    expected = counted(len(dialect.names), "column")
    reasons = [f"has {counted(count, 'value')}, and the header {expected}" for _, count, _ in found]
    return with_problems(
        pa.concat_tables([table, pa.table(columns)]).take(pa.array(order)), dict(zip(positions, reasons, strict=True))
    )


def _values(text: str, dialect: Dialect) -> Sequence[str]:
    """Return the values of a ragged row, one for each column: missing ones are empty, the last holds all others."""
    count = len(dialect.names)
    values = next(csv.reader([text], delimiter=dialect.separator), [])
    rest = dialect.separator.join(values[count - 1 :])
    return [*values[: count - 1], rest][:count] + [""] * (count - 1 - len(values[: count - 1]))


def _with_undecodable(table: pa.Table, dialect: Dialect) -> pa.Table:
    """Return a table in which the rows with undecodable bytes are invalid."""
    import pyarrow as pa
    import pyarrow.compute as compute

    table, problems = split_problems(table)
    encoding = "UTF-8" if dialect.encoding == "utf-8-sig" else dialect.encoding
    for name in table.column_names:
        found = compute.match_substring(table.column(name), UNDECODABLE)
        for position in compute.indices_nonzero(found).to_pylist():
            problems[position] = f"is not in {encoding}: declare the file's encoding, as in --encoding latin-1"
    columns = [compute.replace_substring(column, UNDECODABLE, "\N{REPLACEMENT CHARACTER}") for column in table.columns]
    return with_problems(pa.table(columns, names=table.column_names), problems)


def _check_quotes(table: pa.Table | None, tail: bytes, ragged: deque[Any]) -> None:
    """Raise if the last row is the rest of the file behind a quote that is not closed."""
    if ragged and "\n" in ragged[-1][2] and ragged[-1][2].count('"') % 2:
        raise ValueError(_UNCLOSED)
    if table is None or not table.num_rows or ragged:
        return
    last = table.column(table.num_columns - 2)[-1].as_py()  # the last column is hidden
    if "\n" in last and not tail.rstrip(b"\r\n").endswith(b'"'):
        raise ValueError(_UNCLOSED)
