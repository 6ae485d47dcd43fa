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
from ..text import listed
from .columns import convert_arrow_column, dtype_without_nulls, parse_csv_column
from .csv_tables import csv_names, csv_tables
from .formats import Kind, find_format
from .json_lines import line_names, line_tables, read_lines
from .parquet_tables import merge_groups, parquet_names, parquet_tables
from .problems import split_problems
from .sources import Source

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["Chunk", "read_chunks", "read_column_names", "read_row_spans"]

_RECORDS = "Write at least one record with the model's fields."
_EMPTY: dict[Kind, str] = {
    "csv": "The first line must hold the column names.",
    "json": _RECORDS,
    "jsonl": _RECORDS,
    "parquet": "Write at least one column.",
}


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
        """All rows of the chunk as they are in the file, with their row numbers as the index; dates are strings."""
        import pandas as pd
        import pyarrow as pa

        # Not every date of Arrow is one of Python.
        columns = [each.cast(pa.string()) if pa.types.is_date(each.type) else each for each in self.table.columns]
        raw: pd.DataFrame = pa.table(columns, names=self.table.column_names).to_pandas()
        raw.index = pd.RangeIndex(self.index.start, self.index.stop)
        return raw


def read_column_names(source: Source | Path) -> list[str]:
    """Return the column names; of JSON Lines, the keys of the first thousand lines.

    Raises
    ------
    SourceError
        If there is no file, a file cannot be read or has an unsupported suffix, or the files have different columns.
    """
    source = _as_source(source)
    first, *others = source.files
    if source.declared and source.kind != "csv":
        raise SourceError(
            f"'{source.shown(first)}' is not CSV, so it has neither separator nor encoding nor null values to declare. Leave these options out."
        )
    names = _names(first, source)
    for other in others:
        # Records may lack keys, so their files need not have the same ones.
        if source.kind in ("json", "jsonl"):
            names = list(dict.fromkeys([*names, *_names(other, source)]))
        elif different := set(names) ^ set(_names(other, source)):
            raise SourceError(
                f"'{first}' and '{other}' have different columns: {listed(sorted(different), most=3, quoted=True)} is in one only. Give files with the same columns."
            )
    return names


def _names(path: Path, source: Source) -> list[str]:
    try:
        names = _raw_names(path, source)
    except (OSError, ValueError, csv.Error) as error:
        raise _unreadable(source.shown(path), error) from error
    if not names:
        raise EmptyDataError(f"'{source.shown(path)}' is empty. {_EMPTY[source.kind]}")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise SourceError(f"'{source.shown(path)}' has the column '{twice[0]}' twice. Keep one.")
    return names


def _raw_names(path: Path, source: Source) -> list[str]:
    format = find_format(path)
    if format.kind == "parquet":
        return parquet_names(path)
    shown = source.shown(path)
    if format.kind == "csv":
        return csv_names(path, format, source.csv, shown=shown)
    return line_names(path, format, shown=shown)


def read_row_spans(source: Source | Path, rows: int) -> list[range] | None:
    """Return ranges of at least `rows` rows of Parquet files that can be read separately; None for text.

    Raises
    ------
    SourceError
        If a file cannot be read.
    """
    source = _as_source(source)
    if source.kind != "parquet":
        return None
    try:
        return merge_groups([size for sizes in source.group_sizes for size in sizes], rows)
    except (OSError, ValueError) as error:
        raise _unreadable(source.shown(), error) from error


def read_chunks(
    source: Source | Path,
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
        If a file cannot be read, or a Parquet column has a type that its field cannot have.
    """
    source = _as_source(source)
    names = read_column_names(source)
    present = [one for one in fields if one.name in names]
    try:
        categories = [one.name for one in present if one.dtype == "category"] if coded else []
        tables = _tables(source, names, rows, start, categories)
        for table in _rechunk(tables if stop is None else _take_rows(tables, stop - start), rows):
            index = range(start, start + table.num_rows)
            yield _typed(source, table, present, index, ignore_extra=ignore_extra, coded=coded)
            start += table.num_rows
    except (OSError, ValueError) as error:
        raise _unreadable(source.shown(), error) from error


def _as_source(given: Source | Path) -> Source:
    return given if isinstance(given, Source) else Source(given)


def _unreadable(shown: str, error: Exception) -> SourceError:
    reason = " ".join((getattr(error, "strerror", None) or str(error)).split())
    return SourceError(f"'{shown}' cannot be read: {reason.rstrip('.')}. Correct the file, or give another.")


def _rechunk(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yield the same rows in tables of `rows` rows, so that chunks do not depend on the blocks of the file."""
    import pyarrow as pa

    pending: list[pa.Table] = []
    count = 0
    for table in tables:
        pending.append(table)
        count += table.num_rows
        while count >= rows:
            joined = pa.concat_tables(pending, promote_options="permissive") if len(pending) > 1 else pending[0]
            yield joined.slice(0, rows)
            pending, count = [joined.slice(rows)], count - rows
    if count:
        yield pa.concat_tables(pending, promote_options="permissive") if len(pending) > 1 else pending[0]


def _take_rows(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yield the first `rows` rows."""
    while rows > 0 and (table := next(tables, None)) is not None:
        yield table.slice(0, rows)
        rows -= table.num_rows


def _tables(
    source: Source, names: Sequence[str], rows: int, start: int, categories: Sequence[str]
) -> Iterator[pa.Table]:
    if source.kind == "parquet":
        for file, sizes in zip(source.files, source.group_sizes, strict=True):
            for table in parquet_tables(file, rows, start, categories) if start < sum(sizes) else ():
                yield table.select(names)
            start = max(0, start - sum(sizes))
        return
    for file in source.files:
        for table in _text_tables(file, source, rows):
            if table.num_rows > start:
                yield table.slice(start)
            start = max(0, start - table.num_rows)


def _text_tables(file: Path, source: Source, rows: int) -> Iterator[pa.Table]:
    format = find_format(file)
    return csv_tables(file, format, source.csv) if format.kind == "csv" else line_tables(file, format, rows)


def _typed(
    source: Source, table: pa.Table, fields: Sequence[Field], index: range, *, ignore_extra: bool, coded: bool
) -> Chunk:
    import pandas as pd

    table, problems = split_problems(table)
    if source.kind in ("json", "jsonl"):
        frame, failures = read_lines(table.column("line").to_pylist(), fields, index, problems, ignore_extra=ignore_extra)  # fmt: skip
        return Chunk(frame, tuple(failures), table, index)
    convert = partial(convert_arrow_column, coded=coded)
    if source.kind == "csv":
        convert = partial(parse_csv_column, nulls=source.csv.nulls, escaped=source.csv.escaped)
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
