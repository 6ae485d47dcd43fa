"""Tables in CSV, JSON lines and Parquet files, read as a signature's fields say, a bounded part at a time.

In CSV a cell is text: an empty one is null, `true` and `1` are true, times are ISO 8601 (or written as
the field's `format` says), in the field's zone where they carry no offset. A line of JSON is a record, as
REST takes it; what it leaves out that other lines give is null. What cannot be read is a failure of its row, never a guess.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EmptyDataError, InputFailure, SourceError
from ..model.signature import Field
from .cells import cells_of_arrow, cells_of_text, dtype_without_nulls
from .json_lines import keys_of_line, read_lines

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["SUFFIXES", "Chunk", "columns_in", "read_chunks", "spans_in"]

SUFFIXES = (".csv", ".jsonl", ".parquet")
_BLOCK_BYTES = 8_000_000
_LOOKED_AT = 1000


@dataclass(frozen=True)
class Chunk:
    """A part of a table.

    Attributes
    ----------
    frame
        The rows that could be read, typed; the index counts the file's rows from 0.
    failures
        The cells that could not, by row of the file.
    table, index
        All rows of the part as they stand in the file (of JSON, each a `line`), and their numbers.
    """

    frame: pd.DataFrame
    failures: tuple[InputFailure, ...]
    table: pa.Table = field(repr=False)
    index: range = range(0)

    @cached_property
    def raw(self) -> pd.DataFrame:
        """All rows of the part as they stand in the file, with their numbers as the index."""
        import pandas as pd

        raw: pd.DataFrame = self.table.to_pandas(ignore_metadata=True)
        raw.index = pd.RangeIndex(self.index.start, self.index.stop)
        return raw


def columns_in(path: Path) -> list[str]:
    """Return the names of a table's columns; of JSON lines, those that the first thousand lines have.

    Raises
    ------
    SourceError
        If there is no such file, its kind is not known, or it cannot be read.
    """
    _check(path)
    try:
        names = _names(path)
    except (OSError, ValueError, csv.Error) as error:
        raise _unreadable(path, error) from error
    if not names:
        raise EmptyDataError(f"'{path}' is empty. Give a table with a line of column names.")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise SourceError(f"'{path}' has the column '{twice[0]}' twice. Keep one.")
    return names


def _names(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return [str(name) for name in pq.read_schema(path).names]
    if path.suffix == ".jsonl":
        with path.open("rb") as lines:
            return list(dict.fromkeys(name for line in islice(lines, _LOOKED_AT) for name in keys_of_line(line)))
    with path.open(newline="", encoding="utf-8-sig") as file:
        return next(csv.reader(file), [])


def spans_in(path: Path, rows: int) -> list[range] | None:
    """Return spans of a table, of so many rows at least but for the last, that can each be read by itself; None of text.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    if path.suffix != ".parquet":
        return None
    import pyarrow.parquet as pq

    try:
        about = pq.read_metadata(path)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    spans, start, stop = [], 0, 0
    for group in range(about.num_row_groups):
        stop += about.row_group(group).num_rows
        if stop - start >= rows or (group == about.num_row_groups - 1 and stop > start):
            spans.append(range(start, stop))
            start = stop
    return spans


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
    """Read the fields' columns of a table, exactly `rows` rows at a time but for the last; other columns are only in `table`.

    Parameters
    ----------
    start, stop
        The first row to read, and the first one that is not to be read any more.
    ignore_extra
        Whether keys of JSON lines that are no fields are passed over, instead of failures of their rows.
    coded
        Whether categories may come as pandas' categoricals, which cost less than texts.

    Raises
    ------
    SourceError
        If the file cannot be read, or a Parquet column has a type that its field cannot have.
    """
    names = columns_in(path)
    wanted = [one for one in fields if one.name in names]
    try:
        categories = [one.name for one in wanted if one.dtype == "category"] if coded else []
        tables = _tables(path, rows, start, categories)
        for table in _cut(tables if stop is None else _first(tables, stop - start), rows):
            index = range(start, start + table.num_rows)
            yield _typed(path, table, wanted, index, ignore_extra=ignore_extra, coded=coded)
            start += table.num_rows
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _check(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise SourceError(f"'{path}' has an unsupported suffix. Use {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}.")
    if not path.is_file():
        raise SourceError(f"There is no file '{path}'. Check the path.")


def _unreadable(path: Path, error: Exception) -> SourceError:
    reason = " ".join((getattr(error, "strerror", None) or str(error)).split())
    return SourceError(f"'{path}' cannot be read: {reason.rstrip('.')}. Correct the file, or give another.")


def _cut(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yield the same rows, cut anew: a part's rows depend on their numbers alone."""
    import pyarrow as pa

    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += table.num_rows
        while count >= rows:
            whole = pa.concat_tables(waiting) if len(waiting) > 1 else waiting[0]
            yield whole.slice(0, rows)
            waiting, count = [whole.slice(rows)], count - rows
    if count:
        yield pa.concat_tables(waiting) if len(waiting) > 1 else waiting[0]


def _first(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yield the first so many rows."""
    while rows > 0 and (table := next(tables, None)) is not None:
        yield table.slice(0, rows)
        rows -= table.num_rows


def _tables(path: Path, rows: int, start: int, categories: Sequence[str]) -> Iterator[pa.Table]:
    if path.suffix == ".parquet":
        yield from _parquet_tables(path, rows, start, categories)
        return
    for table in _csv_tables(path) if path.suffix == ".csv" else _line_tables(path, rows):
        if table.num_rows > start:
            yield table.slice(start)
        start = max(0, start - table.num_rows)


def _parquet_tables(path: Path, rows: int, start: int, categories: Sequence[str]) -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, read_dictionary=list(categories)) as file:
        groups: list[int] = []
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            if not groups and start >= size:
                start -= size
            else:
                groups.append(group)
        # Group by group: asked for all at once, Arrow keeps all that it has read.
        for group in groups:
            for batch in file.iter_batches(batch_size=rows, row_groups=[group]):
                if batch.num_rows > start:
                    yield pa.Table.from_batches([batch.slice(start)])
                start = max(0, start - batch.num_rows)


def _csv_tables(path: Path) -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.csv as pc

    reader = pc.open_csv(
        path,
        read_options=pc.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False),
        parse_options=pc.ParseOptions(newlines_in_values=True),
        convert_options=pc.ConvertOptions(
            column_types=dict.fromkeys(columns_in(path), pa.string()), strings_can_be_null=False, check_utf8=True
        ),
    )
    with reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _line_tables(path: Path, rows: int) -> Iterator[pa.Table]:
    import pyarrow as pa

    with path.open("rb") as file:
        while lines := list(islice(file, min(rows, 50_000))):
            yield pa.table({"line": pa.array([line.rstrip(b"\r\n") for line in lines], type=pa.binary())})


def _typed(
    path: Path, table: pa.Table, fields: Sequence[Field], index: range, *, ignore_extra: bool, coded: bool
) -> Chunk:
    import pandas as pd

    if path.suffix == ".jsonl":
        frame, failures = read_lines(table.column("line").to_pylist(), fields, index, ignore_extra=ignore_extra)
        return Chunk(frame, tuple(failures), table, index)
    convert = cells_of_text if path.suffix == ".csv" else partial(cells_of_arrow, coded=coded)
    columns, failures = {}, []
    for one in fields:
        values, wrong = convert(table.column(one.name), one)
        # An object column stays one: pandas would make text of it, and NaN of null.
        columns[one.name] = pd.Series(values, index=index, dtype=getattr(values, "dtype", None))
        failures += [InputFailure(index[position], one.name, reason) for position, reason in wrong.items()]
    # The columns are nobody else's: putting them side by side in one block would copy them.
    frame = pd.DataFrame(columns, index=index, copy=False)
    if failures:
        frame = frame.drop(index=sorted({failure.row or 0 for failure in failures}))
        frame = frame.astype({one.name: dtype_without_nulls(one) for one in fields if one.dtype in ("int", "bool")})
    failures.sort(key=lambda failure: failure.row or 0)
    return Chunk(frame, tuple(failures), table, index)
