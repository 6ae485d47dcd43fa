"""CSV files as Arrow tables of strings."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .formats import Format, open_stream

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["csv_names", "csv_tables"]

_BLOCK_BYTES = 8_000_000


def csv_names(path: Path, format: Format) -> list[str]:
    """Return the column names in the header."""
    with open_stream(path, format.compression) as stream:
        text = io.TextIOWrapper(io.BytesIO(stream.read(_BLOCK_BYTES)), encoding="utf-8-sig", newline="")
    return next(csv.reader(text), [])


def csv_tables(path: Path, format: Format) -> Iterator[pa.Table]:
    """Yield the rows, block by block."""
    import pyarrow as pa
    import pyarrow.csv as pc

    reader = pc.open_csv(
        open_stream(path, format.compression),
        read_options=pc.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False),
        parse_options=pc.ParseOptions(newlines_in_values=True),
        convert_options=pc.ConvertOptions(
            column_types=dict.fromkeys(csv_names(path, format), pa.string()),
            strings_can_be_null=False,
            check_utf8=True,
        ),
    )
    with reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])
