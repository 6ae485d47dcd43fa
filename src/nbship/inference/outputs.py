"""Write a table part by part to a CSV, JSON lines or Parquet file, durable when it is closed."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TableWriter", "join_tables", "publish"]

_COPY_BYTES = 1 << 24
_IDS = "prediction_id"


class TableWriter:
    """Appends tables of the same columns to one file; without a table there is no file.

    Parameters
    ----------
    suffix
        The kind of the file, where its name does not tell.
    """

    def __init__(self, path: Path, *, suffix: str | None = None) -> None:
        self._path, self._suffix = path, suffix or path.suffix
        self._parquet: Any = None
        self._file: Any = None

    @property
    def text(self) -> bool:
        """Whether the file is CSV, in which everything is text."""
        return self._suffix == ".csv"

    def write(self, table: pa.Table) -> None:
        """Append the rows of a table."""
        try:
            if self._suffix == ".parquet":
                self._write_parquet(table)
            else:
                self._write_text(table)
        except OSError as error:
            raise SourceError(f"'{self._path.parent}' cannot be written: {error.strerror or error}.") from error

    def close(self) -> None:
        """Bring what was written to the disk."""
        if self._parquet is not None:
            self._parquet.close()
            self._parquet = None
            with self._path.open("rb") as file:
                os.fsync(file.fileno())
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def _write_text(self, table: pa.Table) -> None:
        if self._file is None:
            self._file = self._path.open("wb")
            if self.text:
                self._file.write(_line(table.column_names))
        self._file.write(_csv(table) if self.text else _lines(table))

    def _write_parquet(self, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        table = table.replace_schema_metadata(None)
        if self._parquet is None:
            # Ids are all different, and begin alike.
            shared = [name for name in table.column_names if name != _IDS]
            delta = {_IDS: "DELTA_BYTE_ARRAY"} if _IDS in table.column_names else None
            self._parquet = pq.ParquetWriter(self._path, table.schema, use_dictionary=shared, column_encoding=delta)
        self._parquet.write_table(table.cast(self._parquet.schema))


def join_tables(parts: Sequence[Path], target: Path) -> None:
    """Write the rows of part files, in order, to one file of their kind, durably."""
    if len(parts) == 1:
        parts[0].replace(target)
        return
    if target.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        writer = TableWriter(target)
        for part in parts:
            with pq.ParquetFile(part) as file:
                for batch in file.iter_batches(batch_size=1 << 17):
                    writer.write(pa.Table.from_batches([batch]))
        writer.close()
        return
    with target.open("wb") as joined:
        for place, part in enumerate(parts):
            with part.open("rb") as file:
                if place and target.suffix == ".csv":
                    file.readline()
                while content := file.read(_COPY_BYTES):
                    joined.write(content)
        joined.flush()
        os.fsync(joined.fileno())


def publish(partial: Path, target: Path) -> None:
    """Give a finished file its name, durably."""
    partial.replace(target)
    with suppress(OSError):
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _csv(table: pa.Table) -> bytes:
    import pyarrow as pa
    import pyarrow.csv as pc

    sink = pa.BufferOutputStream()
    pc.write_csv(_spelt(table), sink, pc.WriteOptions(include_header=False))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _spelt(table: pa.Table) -> pa.Table:
    """Return a table whose times are texts in ISO 8601."""
    import pyarrow as pa
    import pyarrow.compute as compute

    for place, column in enumerate(table.columns):
        if pa.types.is_timestamp(column.type):
            texts = compute.strftime(column, "%Y-%m-%dT%H:%M:%S%z" if column.type.tz else "%Y-%m-%dT%H:%M:%S")
            table = table.set_column(place, table.column_names[place], texts)
    return table


def _lines(table: pa.Table) -> bytes:
    encode = msgspec.json.Encoder(decimal_format="number").encode
    return b"".join(encode(row) + b"\n" for row in _spelt(table).to_pylist())


def _line(names: Sequence[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(names)
    return line.getvalue().encode()
