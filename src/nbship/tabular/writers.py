"""Write tables to a CSV, JSON Lines, Parquet or Arrow file, flushed to disk when it is closed."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import SourceError
from .formulas import escape_text, escape_texts

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TableJoiner", "TableWriter", "writing"]

_COPY_BYTES = 1 << 24
_IDS = "prediction_id"


@contextmanager
def writing(target: Path | str) -> Iterator[None]:
    """Raise SourceError if the block cannot write a file: a full disk shows when a file is closed, too.

    Parameters
    ----------
    target
        The folder, or what else is written.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of a pipe wants no more
    except OSError as error:
        number = error.errno or getattr(error.__context__, "errno", None)
        reason = os.strerror(number) if number else str(error)
        raise SourceError(f"'{target}' cannot be written: {reason}. Make room, or check its permissions.") from error


class TableWriter:
    """Appends tables with the same columns to one file; the first table creates the file. Errors are those of the system.

    Parameters
    ----------
    suffix
        The format, if the file name has another suffix.
    escape_formulas
        Whether strings of CSV that a spreadsheet would run as formulas are escaped.
    """

    def __init__(self, path: Path, *, suffix: str | None = None, escape_formulas: bool = False) -> None:
        self._path, self._suffix, self._escape_formulas = path, suffix or path.suffix, escape_formulas
        self._tables: Any = None
        self._schema: Any = None
        self._file: Any = None

    @property
    def is_csv(self) -> bool:
        """Whether the file is CSV."""
        return self._suffix == ".csv"

    def write(self, table: pa.Table) -> None:
        """Append the rows of a table."""
        if self._suffix in (".parquet", ".arrow"):
            self._write_table(table)
        else:
            self._write_text(table)

    def close(self) -> None:
        """Flush the file to disk and close it."""
        if self._tables is not None:
            self._tables.close()
            self._tables = None
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
            if self.is_csv:
                escape = escape_text if self._escape_formulas else str
                self._file.write(_csv_header([escape(name) for name in table.column_names]))
        if self.is_csv and self._escape_formulas:
            table = escape_texts(table)
        self._file.write(_csv_rows(table) if self.is_csv else _json_lines(table))

    def _write_table(self, table: pa.Table) -> None:
        table = table.replace_schema_metadata(None)
        if self._tables is None:
            self._tables = self._open(table.schema)
            self._schema = table.schema
        self._tables.write_table(table.cast(self._schema))

    def _open(self, schema: pa.Schema) -> Any:
        import pyarrow as pa

        if self._suffix == ".arrow":
            return pa.ipc.new_file(str(self._path), schema)
        import pyarrow.parquet as pq

        # Dictionaries help neither ids, which are unique with a common prefix, nor floats, which seldom repeat.
        repetitive = [each.name for each in schema if each.name != _IDS and not pa.types.is_floating(each.type)]
        delta = {_IDS: "DELTA_BYTE_ARRAY"} if _IDS in schema.names else None
        return pq.ParquetWriter(self._path, schema, use_dictionary=repetitive, column_encoding=delta)


class TableJoiner:
    """Joins part files, in order, to one file; the first part creates the file.

    The parts of a Parquet file are Arrow files; other parts have the format of the file.
    """

    def __init__(self, target: Path) -> None:
        target.unlink(missing_ok=True)
        self._target = target
        self._writer = TableWriter(target)
        self._file: Any = None
        self._has_rows = False

    def add(self, part: Path) -> None:
        """Append a part's rows."""
        if self._target.suffix == ".parquet":
            import pyarrow as pa

            with pa.memory_map(str(part)) as mapped:
                self._writer.write(pa.ipc.open_file(mapped).read_all())
        else:
            self._copy(part)

    @property
    def path(self) -> Path | None:
        """The file; None if no part was added."""
        return self._target if self._target.exists() else None

    def close(self) -> None:
        """Flush the file to disk and close it."""
        self._writer.close()
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def _copy(self, part: Path) -> None:
        if self._file is None:
            self._file = self._target.open("wb")
        with part.open("rb") as file:
            if self._has_rows and self._target.suffix == ".csv":
                file.readline()
            self._has_rows = True
            while content := file.read(_COPY_BYTES):
                self._file.write(content)


def _csv_rows(table: pa.Table) -> bytes:
    import pyarrow as pa
    import pyarrow.csv as pc

    sink = pa.BufferOutputStream()
    pc.write_csv(_with_iso_timestamps(table), sink, pc.WriteOptions(include_header=False))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _with_iso_timestamps(table: pa.Table) -> pa.Table:
    """Return a table with its timestamps as ISO 8601 strings."""
    import pyarrow as pa
    import pyarrow.compute as compute

    for position, column in enumerate(table.columns):
        if pa.types.is_timestamp(column.type):
            texts = compute.strftime(column, "%Y-%m-%dT%H:%M:%S%z" if column.type.tz else "%Y-%m-%dT%H:%M:%S")
            table = table.set_column(position, table.column_names[position], texts)
    return table


def _json_lines(table: pa.Table) -> bytes:
    encode = msgspec.json.Encoder(decimal_format="number").encode
    return b"".join(encode(row) + b"\n" for row in _with_iso_timestamps(table).to_pylist())


def _csv_header(names: Sequence[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(names)
    return line.getvalue().encode()
