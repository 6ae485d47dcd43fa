"""Tables in CSV and Parquet files, read as a signature's fields say, a bounded part at a time.

In CSV a cell is text: an empty one is null, `true` and `1` are true, times are ISO 8601 (or written as
the field's `format` says), in the field's zone where they carry no offset. A cell that cannot be read is a
failure of its row, never a guess.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ..errors import EmptyDataError, InputFailure, SourceError
from .signature import Field

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["SUFFIXES", "Chunk", "columns_in", "parse_moment", "read_cell", "read_chunks", "read_moment"]

SUFFIXES = (".csv", ".parquet")
_BLOCK_BYTES = 8_000_000
_FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_WHOLE = re.compile(r"[-+]?\d{1,18}(\.0*)?")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Chunk:
    """A part of a table.

    Attributes
    ----------
    frame
        The rows that could be read, typed; the index counts the file's rows from 0.
    failures
        The cells that could not, by row of the file.
    raw
        All rows of the part as they stand in the file, with the same index.
    """

    frame: pd.DataFrame
    failures: tuple[InputFailure, ...]
    raw: pd.DataFrame = field(repr=False)


def columns_in(path: Path) -> list[str]:
    """Return the names of a table's columns.

    Raises
    ------
    SourceError
        If there is no such file, its kind is not known, or it cannot be read.
    """
    _check(path)
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            names = [str(name) for name in pq.read_schema(path).names]
        else:
            with path.open(newline="", encoding="utf-8-sig") as file:
                names = next(csv.reader(file), [])
    except (OSError, ValueError, csv.Error) as error:
        raise _unreadable(path, error) from error
    if not names:
        raise EmptyDataError(f"'{path}' is empty. Give a table with a line of column names.")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise SourceError(f"'{path}' has the column '{twice[0]}' twice. Keep one.")
    return names


def read_chunks(path: Path, fields: Sequence[Field], *, rows: int = 50_000) -> Iterator[Chunk]:
    """Read the fields' columns of a table, at most `rows` rows at a time; other columns are only in `raw`.

    Raises
    ------
    SourceError
        If the file cannot be read, or a Parquet column has a type that its field cannot have.
    """
    names = columns_in(path)
    wanted = [one for one in fields if one.name in names]
    try:
        start = 0
        for table in _tables(path, names, rows):
            index = range(start, start + table.num_rows)
            yield _typed(path, table, wanted, index)
            start += table.num_rows
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def read_moment(text: str, field: Field) -> datetime:
    """Return the moment, in UTC, that a text means for a field.

    Raises
    ------
    ValueError
        If it means none, or two: the reason, without the value.

    >>> read_moment("2024-07-01 08:00", Field("at", "datetime", timezone="America/New_York")).isoformat()
    '2024-07-01T12:00:00+00:00'
    """
    moment = parse_moment(text, field)
    if moment.tzinfo is None:
        if field.timezone is None:
            raise ValueError("has no offset, as in 2024-01-31T08:00:00+00:00")
        zoned = moment.replace(tzinfo=ZoneInfo(field.timezone))
        if zoned.utcoffset() != zoned.replace(fold=1).utcoffset():
            raise ValueError(f"occurs twice, or never, in {field.timezone}: add an offset")
        moment = zoned
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is too early or too late") from None


def parse_moment(text: str, field: Field) -> datetime:
    """Return the time that a text says, with its offset where it has one; else ValueError, as in `read_moment`."""
    if field.format:
        with suppress(ValueError):
            return datetime.strptime(text, field.format)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        written = f"written as {field.format}, or in ISO 8601" if field.format else "in ISO 8601"
        raise ValueError(f"is not a time {written}") from None


def _check(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise SourceError(f"'{path}' is neither a .csv nor a .parquet file. Give one of these.")
    if not path.is_file():
        raise SourceError(f"There is no file '{path}'. Check the path.")


def _unreadable(path: Path, error: Exception) -> SourceError:
    reason = " ".join((getattr(error, "strerror", None) or str(error)).split())
    return SourceError(f"'{path}' cannot be read: {reason.rstrip('.')}. Correct the file, or give another.")


def _tables(path: Path, names: Sequence[str], rows: int) -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=rows):
                yield pa.Table.from_batches([batch])
        return
    reader = pc.open_csv(
        path,
        read_options=pc.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False),
        parse_options=pc.ParseOptions(newlines_in_values=True),
        convert_options=pc.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=True
        ),
    )
    with reader:
        for batch in reader:
            for start in range(0, batch.num_rows, rows):
                yield pa.Table.from_batches([batch.slice(start, rows)])


def _typed(path: Path, table: pa.Table, fields: Sequence[Field], index: range) -> Chunk:
    import pandas as pd

    convert = _from_text if path.suffix == ".csv" else _from_arrow
    columns, failures = {}, []
    for one in fields:
        values, wrong = convert(table.column(one.name), one)
        # An object column stays one: pandas would make text of it, and NaN of null.
        columns[one.name] = pd.Series(values, index=index, dtype=getattr(values, "dtype", None))
        failures += [InputFailure(index[position], one.name, reason) for position, reason in wrong.items()]
    frame = pd.DataFrame(columns, index=index)
    if failures:
        frame = frame.drop(index=sorted({failure.row or 0 for failure in failures}))
        frame = frame.astype({one.name: _whole_dtype(one) for one in fields if one.dtype in ("int", "bool")})
    raw = table.to_pandas(ignore_metadata=True)
    raw.index = pd.RangeIndex(index.start, index.stop)
    failures.sort(key=lambda failure: failure.row or 0)
    return Chunk(frame=frame, failures=tuple(failures), raw=raw)


def _whole_dtype(field: Field) -> str:
    if field.nullable:
        return "float64"
    return "int64" if field.dtype == "int" else "bool"


def _from_text(column: pa.ChunkedArray, field: Field) -> tuple[Any, dict[int, str]]:
    texts: list[str | None] = [text.strip() or None for text in column.to_pylist()]
    if field.dtype in ("string", "category"):
        return _objects([text or None for text in column.to_pylist()]), _empty(texts, field)
    known: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        if text is not None:
            known[text], reason = read_cell(text, field)
            if reason is not None:
                wrong[text] = reason
    values = [None if text is None else known.get(text) for text in texts]
    failures = {position: wrong[text] for position, text in enumerate(texts) if text in wrong}
    failures |= _empty(texts, field)
    return _array(values, field, clean=not failures), failures


def read_cell(text: str, field: Field) -> tuple[Any, str | None]:
    """Return the value that a cell of a CSV file means, and None; or the reason why it means none.

    >>> read_cell("3.0", Field("size", "int")), read_cell("", Field("size", "int"))
    ((3, None), (None, None))
    """
    if field.dtype in ("string", "category"):
        return text or None, None
    text = text.strip()
    if not text:
        return None, None
    try:
        return _READERS[field.dtype](text, field), None
    except ValueError as error:
        return None, str(error) if field.pii else f"is '{text[:40]}': it {error}"


def _empty(texts: Sequence[object], field: Field) -> dict[int, str]:
    if field.nullable:
        return {}
    return {position: "is empty" for position, text in enumerate(texts) if text is None}


def _read_float(text: str, _: Field) -> float:
    if not _FLOAT.fullmatch(text) or abs(number := float(text)) == float("inf"):
        raise ValueError("is not a number")
    return number


def _read_int(text: str, _: Field) -> int:
    # Whole numbers that once stood beside nulls are often written with a decimal point.
    if not _WHOLE.fullmatch(text):
        raise ValueError("is not a whole number")
    return int(text.partition(".")[0])


def _read_bool(text: str, _: Field) -> bool:
    if text.lower() not in _TRUTH:
        raise ValueError("is neither true nor false")
    return _TRUTH[text.lower()]


_READERS: dict[str, Callable[[str, Field], Any]] = {
    "float": _read_float,
    "int": _read_int,
    "bool": _read_bool,
    "datetime": read_moment,
}


def _array(values: list[Any], field: Field, *, clean: bool) -> Any:
    import numpy as np
    import pandas as pd

    if field.dtype == "datetime":
        return pd.DatetimeIndex(pd.to_datetime(values, utc=True)).as_unit("us")
    if field.dtype == "float" or field.nullable:
        return np.array([np.nan if value is None else float(value) for value in values], dtype="float64")
    dtype = {"int": "int64", "bool": "bool"}[field.dtype]
    return np.array(values, dtype=dtype) if clean else _objects(values)


def _objects(values: list[Any]) -> Any:
    import numpy as np

    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _from_arrow(column: pa.ChunkedArray, field: Field) -> tuple[Any, dict[int, str]]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.types as types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if not _fits(kind, field):
        raise SourceError(
            f"Column '{field.name}' is of type {kind}, where {field.dtype} is expected. Write it with that type."
        )
    nulls = dict.fromkeys(np.flatnonzero(column.is_null().to_numpy()).tolist(), "is empty")
    failures = {} if field.nullable else nulls
    if field.dtype == "datetime":
        return _moments(column, field, failures)
    if field.dtype in ("string", "category"):
        return _objects(column.to_pylist()), failures
    if field.dtype == "float" or field.nullable:
        return column.cast(pa.float64()).to_numpy(zero_copy_only=False), failures
    return _array(column.to_pylist(), field, clean=not failures), failures


def _fits(kind: pa.DataType, field: Field) -> bool:
    import pyarrow.types as types

    numeric = types.is_integer(kind) or types.is_floating(kind)
    text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    fitting = {
        "float": numeric,
        "int": types.is_integer(kind) or (field.nullable and types.is_floating(kind)),
        "bool": types.is_boolean(kind),
        "datetime": types.is_timestamp(kind) or text,
    }
    return types.is_null(kind) or bool(fitting.get(field.dtype, text))


def _moments(column: pa.ChunkedArray, field: Field, failures: dict[int, str]) -> tuple[Any, dict[int, str]]:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.types as types

    if not types.is_timestamp(column.type):
        texts = column.cast(pa.string()).fill_null("")
        return _from_text(texts, field)
    zoned = column.type.tz is not None
    if not zoned and field.timezone is None:
        raise SourceError(f"Column '{field.name}' holds times without a zone. Write them with one.")
    values = pd.DatetimeIndex(column.to_pandas())
    if not zoned:
        values = values.tz_localize(field.timezone, ambiguous="NaT", nonexistent="NaT")
        lost = (values.isna() & column.is_valid().to_numpy()).nonzero()[0].tolist()
        failures |= dict.fromkeys(lost, f"occurs twice, or never, in {field.timezone}: add an offset")
    return values.tz_convert("UTC").as_unit("us"), failures
