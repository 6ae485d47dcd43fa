"""Read CSV, JSON Lines and Parquet files by the fields of a signature, in chunks.

An empty CSV value is null, `true` and `1` are true, and timestamps are ISO 8601 (or in the field's `format`), in the
field's time zone if they have no offset. A JSON line is a record, as in a REST request; a key that other lines have
and it lacks is null. A value that cannot be read is a failure of its row.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EmptyDataError, InputFailure, SourceError
from ..model.signature import Field
from .columns import convert_arrow_column, dtype_without_nulls, parse_csv_column
from .csv_tables import csv_names, csv_tables
from .formats import Kind, find_format
from .json_lines import line_names, line_tables, read_lines
from .parquet_tables import group_sizes, merge_groups, parquet_names, parquet_tables
from .problems import split_problems

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["Chunk", "read_chunks", "read_column_names", "read_row_spans"]


@dataclass(frozen=True)
class Chunk:
    """A number of consecutive rows of a file.

    Attributes
    ----------
    frame
        The rows that could be read, typed; the index counts the file's rows from 0.
    failures
        The values that could not, by row of the file.
    table, index
        All rows of the chunk as they are in the file (of JSON Lines, one column `line`), and their row numbers.
    """

    frame: pd.DataFrame
    failures: tuple[InputFailure, ...]
    table: pa.Table = field(repr=False)
    index: range = range(0)

    @cached_property
    def raw(self) -> pd.DataFrame:
        """All rows of the chunk as they are in the file, with their row numbers as the index."""
        import pandas as pd

        raw: pd.DataFrame = self.table.to_pandas(ignore_metadata=True)
        raw.index = pd.RangeIndex(self.index.start, self.index.stop)
        return raw


def read_column_names(path: Path) -> list[str]:
    """Return the column names of a file; of JSON Lines, the keys of the first thousand lines.

    Raises
    ------
    SourceError
        If the file does not exist, cannot be read, or has an unsupported suffix.
    """
    _check(path)
    try:
        names = _names(path)
    except (OSError, ValueError, csv.Error) as error:
        raise _unreadable(path, error) from error
    if not names:
        raise EmptyDataError(f"'{path}' is empty. The first line must hold the column names.")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise SourceError(f"'{path}' has the column '{twice[0]}' twice. Keep one.")
    return names


def _names(path: Path) -> list[str]:
    format = find_format(path)
    if format.kind == "parquet":
        return parquet_names(path)
    return csv_names(path, format) if format.kind == "csv" else line_names(path, format)


def read_row_spans(path: Path, rows: int) -> list[range] | None:
    """Return ranges of at least `rows` rows of a Parquet file that can be read separately; None for text.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    if find_format(path).kind != "parquet":
        return None
    try:
        return merge_groups(group_sizes(path), rows)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def read_chunks(
    path: Path,
    fields: Sequence[Field],
    *,
    rows: int = 50_000,
    start: int = 0,
    stop: int | None = None,
    ignore_extra: bool = True,
    coded: bool = False,
) -> Iterator[Chunk]:
    """Read the columns of the fields, `rows` rows at a time (the last chunk may be shorter).

    Other columns are only in `Chunk.table`.

    Parameters
    ----------
    start, stop
        The first row to read, and the row to stop before.
    ignore_extra
        Ignore keys of JSON Lines that are not fields; otherwise they are failures of their rows.
    coded
        Whether categories may be returned as pandas categoricals, which take less memory than strings.

    Raises
    ------
    SourceError
        If the file cannot be read, or a Parquet column has a type that its field cannot have.
    """
    names = read_column_names(path)
    present = [one for one in fields if one.name in names]
    try:
        categories = [one.name for one in present if one.dtype == "category"] if coded else []
        tables = _tables(path, rows, start, categories)
        for table in _rechunk(tables if stop is None else _take_rows(tables, stop - start), rows):
            index = range(start, start + table.num_rows)
            yield _typed(find_format(path).kind, table, present, index, ignore_extra=ignore_extra, coded=coded)
            start += table.num_rows
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _check(path: Path) -> None:
    find_format(path)
    if not path.is_file():
        raise SourceError(f"There is no file '{path}'. Check the path.")


def _unreadable(path: Path, error: Exception) -> SourceError:
    reason = " ".join((getattr(error, "strerror", None) or str(error)).split())
    return SourceError(f"'{path}' cannot be read: {reason.rstrip('.')}. Correct the file, or give another.")


def _rechunk(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yield the same rows in tables of `rows` rows, so that chunks do not depend on the blocks of the file."""
    import pyarrow as pa

    pending: list[pa.Table] = []
    count = 0
    for table in tables:
        pending.append(table)
        count += table.num_rows
        while count >= rows:
            joined = pa.concat_tables(pending) if len(pending) > 1 else pending[0]
            yield joined.slice(0, rows)
            pending, count = [joined.slice(rows)], count - rows
    if count:
        yield pa.concat_tables(pending) if len(pending) > 1 else pending[0]


def _take_rows(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yield the first `rows` rows."""
    while rows > 0 and (table := next(tables, None)) is not None:
        yield table.slice(0, rows)
        rows -= table.num_rows


def _tables(path: Path, rows: int, start: int, categories: Sequence[str]) -> Iterator[pa.Table]:
    format = find_format(path)
    if format.kind == "parquet":
        yield from parquet_tables(path, rows, start, categories)
        return
    for table in csv_tables(path, format) if format.kind == "csv" else line_tables(path, format, rows):
        if table.num_rows > start:
            yield table.slice(start)
        start = max(0, start - table.num_rows)


def _typed(
    kind: Kind, table: pa.Table, fields: Sequence[Field], index: range, *, ignore_extra: bool, coded: bool
) -> Chunk:
    import pandas as pd

    table, problems = split_problems(table)
    if kind in ("json", "jsonl"):
        frame, failures = read_lines(table.column("line").to_pylist(), fields, index, problems, ignore_extra=ignore_extra)  # fmt: skip
        return Chunk(frame, tuple(failures), table, index)
    convert = parse_csv_column if kind == "csv" else partial(convert_arrow_column, coded=coded)
    columns, failures = {}, [InputFailure(index[position], None, reason) for position, reason in problems.items()]
    for one in fields:
        values, wrong = convert(table.column(one.name), one)
        # The dtype is given: pandas would convert an object column to strings, and null to NaN.
        columns[one.name] = pd.Series(values, index=index, dtype=getattr(values, "dtype", None))
        failures += [
            InputFailure(index[position], one.name, reason)
            for position, reason in wrong.items()
            if position not in problems
        ]
    # No other code holds these arrays, so they need not be copied into one block.
    frame = pd.DataFrame(columns, index=index, copy=False)
    if failures:
        frame = frame.drop(index=sorted({failure.row or 0 for failure in failures}))
        frame = frame.astype({one.name: dtype_without_nulls(one) for one in fields if one.dtype in ("int", "bool")})
    failures.sort(key=lambda failure: failure.row or 0)
    return Chunk(frame, tuple(failures), table, index)
