"""Find and remove rows in the files of a batch run, in any format."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...atomic_write import replacing
from ...model.signature import Field, Signature
from ...prediction_log import split_id, stored_fields
from ...tabular import Source, TableWriter, parse_rows, read_chunks, unescape_text

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = [
    "numbers_in_output",
    "numbers_of",
    "remove_rejected",
    "typed_table",
    "values_of",
    "write_without_rows",
    "write_without_values",
]

_ROWS = 50_000
_IsTheirs = Callable[[Mapping[str, Any]], bool]


def numbers_of(source: Source, signature: Signature, is_theirs: _IsTheirs) -> Iterator[int]:
    """Yield the numbers of a person's rows, invalid ones included."""
    for chunk in read_chunks(source, stored_fields(str(source), signature), ignore_extra=True):
        rows = zip(chunk.raw.index.tolist(), chunk.raw.to_dict("records"), strict=True)
        yield from (number for number, row in rows if is_theirs(_as_record(row)))


def numbers_in_output(source: Source, is_theirs: _IsTheirs) -> Iterator[int]:
    """Yield the numbers of the rows of an output whose key columns are a person's."""
    plain = unescape_text if source.csv.escaped else str
    for chunk in read_chunks(source, ()):
        for row in map(_as_record, chunk.raw.to_dict("records")):
            parts = split_id(str(row["prediction_id"]))
            values = {name: plain(value) if isinstance(value, str) else value for name, value in row.items()}
            if parts is not None and is_theirs(values):
                yield parts[1]


def _as_record(row: Mapping[Any, Any]) -> Mapping[str, Any]:
    """Return a raw row as a record; a raw row of JSON Lines has its text in the column `line`."""
    text, found = row.get("line"), None
    # Lines are bytes in the input, and strings in the file of rejected rows.
    if isinstance(text, (str, bytes)) and text[:1] in ("{", b"{"):
        with suppress(ValueError):
            found = json.loads(text)
    return found if isinstance(found, dict) else {str(name): value for name, value in row.items()}


def write_without_values(source: Source, target: Path, numbers: Collection[int], signature: Signature) -> None:
    """Write a copy of an input as Parquet, in which the rows with these numbers are null."""
    if source.kind == "parquet":
        _write_nulls(source.path, target, numbers)
        return
    writer = TableWriter(target, suffix=".parquet")
    for chunk in read_chunks(source, signature.inputs, ignore_extra=True):
        kept = chunk.frame[~chunk.frame.index.isin(list(numbers))].reindex(list(chunk.index))
        writer.write(typed_table(kept, signature.inputs))
    writer.close()


def typed_table(frame: pd.DataFrame, fields: Iterable[Field]) -> pa.Table:
    """Return a frame's fields as a table in which missing values are null."""
    import pyarrow as pa

    types = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "datetime": pa.timestamp("us", tz="UTC")}
    columns = {}
    for field in fields:
        if field.name in frame:
            values = values_of(frame[field.name])
            if field.dtype == "bool":
                # Columns of booleans with nulls are floats, from which Arrow makes no booleans.
                values = [None if value is None else bool(value) for value in values]
            columns[field.name] = pa.array(values, types.get(field.dtype, pa.string()))
    return pa.table(columns)


def values_of(column: pd.Series[Any]) -> list[Any]:
    """Return the values of a column, None for missing ones."""
    return [None if value != value else value for value in column.tolist()]


def _write_nulls(source: Path, target: Path, numbers: Collection[int]) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    start = 0
    with pq.ParquetFile(source) as file, pq.ParquetWriter(target, file.schema_arrow) as writer:
        for batch in file.iter_batches(batch_size=_ROWS):
            mask = pa.array([start + number in numbers for number in range(batch.num_rows)], pa.bool_())
            columns = [pc.if_else(mask, pa.scalar(None, column.type), column) for column in batch.columns]
            writer.write_table(pa.table(columns, schema=file.schema_arrow))
            start += batch.num_rows


def write_without_rows(source: Path, target: Path, numbers: Collection[int]) -> None:
    """Write a copy of an output without the rows with these numbers."""
    kind = Source(source).kind
    if kind == "parquet":
        _write_others(source, target, numbers)
    elif kind == "csv":
        with source.open(encoding="utf-8", newline="") as file, target.open("w", encoding="utf-8", newline="") as copy:
            rows = parse_rows(file)
            writer = csv.writer(copy, lineterminator="\n")
            header = next(rows)
            writer.writerow(header)
            at = header.index("prediction_id")
            writer.writerows(row for row in rows if not _is_one_of(row[at], numbers))
    else:
        with source.open(encoding="utf-8") as lines, target.open("w", encoding="utf-8") as copy:
            copy.writelines(line for line in lines if not _is_one_of(json.loads(line)["prediction_id"], numbers))


def _write_others(source: Path, target: Path, numbers: Collection[int]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(source) as file, pq.ParquetWriter(target, file.schema_arrow) as writer:
        for batch in file.iter_batches(batch_size=_ROWS):
            ids = batch.column("prediction_id").to_pylist()
            mask = pa.array([not _is_one_of(id, numbers) for id in ids], pa.bool_())
            writer.write_batch(batch.filter(mask))


def _is_one_of(id: str, numbers: Collection[int]) -> bool:
    parts = split_id(id)
    return parts is not None and parts[1] in numbers


def remove_rejected(path: Path, is_theirs: _IsTheirs) -> int:
    """Delete a person's rows from a file of rejected rows; return their number."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = parse_rows(file)
    # The names of files with escaped formulas are those of `run_name`.
    plain = unescape_text if ".escaped." in path.name else str
    kept = [row for row in rows if not is_theirs(_as_record(dict(zip(header, map(plain, row), strict=False))))]
    if len(kept) < len(rows):
        with (
            replacing(path, durable=True, private=True) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as copy,
        ):
            csv.writer(copy, lineterminator="\n").writerows([header, *kept])
    return len(rows) - len(kept)
