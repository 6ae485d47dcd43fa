"""JSON Lines: a record a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import IO, Any

import msgspec

from .batches import ROWS, Batch, incomplete, missing_columns
from .declared import DeclaredSource
from .encodings import read_lines
from .python_values import table_of

__all__ = ["read_json_lines"]


def read_json_lines(stream: IO[bytes], source: DeclaredSource, *, shown: str) -> Iterator[Batch]:
    """Yield the records, with their lines. A key that a record lacks is null.

    Raises
    ------
    WindowError
        If no record of the first batch has a column, the encoding is another one, or the last record is cut off.
    """
    decode = msgspec.json.Decoder().decode
    lines = ((n, line) for n, line in enumerate(read_lines(stream, source, shown=shown), 1) if line.strip())
    is_first = True
    while block := list(islice(lines, ROWS)):
        records: list[Mapping[str, Any]] = []
        unreadable: dict[int, str] = {}
        for position, (number, line) in enumerate(block):
            try:
                record = decode(line)
            except (msgspec.DecodeError, RecursionError):
                record = None
                if not line.endswith("\n"):
                    raise incomplete(source, shown, f"it ends in line {number}, within a record") from None
            if not isinstance(record, dict):
                unreadable[position] = "is a JSON record"
            records.append(record if isinstance(record, dict) else {})
        found = {name: None for record in records for name in record}
        if is_first and found and (missing := missing_columns(source, found, shown=shown)):
            raise missing
        is_first = False
        columns = {name: [record.get(name) for record in records] for name in source.columns}
        table, wrong = table_of(columns, source.columns)
        yield Batch(table, [number for number, _ in block], {**wrong, **unreadable})
