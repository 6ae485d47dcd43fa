"""JSON Lines and JSON: each line, or each item of a list, is a record, as in a REST request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputFailure, JsonError, SourceError
from ..model.signature import Field, read_records, to_array
from .formats import Format, open_stream
from .json_documents import is_lines, split_values
from .problems import with_problems
from .strict_json import parse_json
from .text_lines import MAX_LINE_BYTES, split_lines

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["line_names", "line_tables", "read_lines"]

_SAMPLED_LINES = 1000
_ROWS = 50_000
_TOO_LONG = f"is longer than {MAX_LINE_BYTES:,} bytes"


def line_names(path: Path, format: Format, *, shown: str) -> list[str]:
    """Return the keys of the first thousand records; messages call the file `shown`.

    Raises
    ------
    SourceError
        If there are lines, and none of them is a record.
    """
    names: dict[str, None] = {}
    reason = None
    with _lines(path, format) as lines:
        for line, is_complete in islice(lines, _SAMPLED_LINES):
            record = _record(line) if is_complete else _TOO_LONG
            names |= dict.fromkeys(record if isinstance(record, dict) else ())
            reason = reason or (record if isinstance(record, str) else None)
    if not names and reason is not None:
        raise SourceError(f"'{shown}' has no record in its first lines: the first {reason}. Correct the file.")
    return list(names)


@contextmanager
def _lines(path: Path, format: Format) -> Iterator[Iterator[tuple[bytes, bool]]]:
    """Open a file for reading record by record."""
    with open_stream(path, format.compression) as stream:
        split = split_lines if is_lines(stream, is_declared=format.kind == "jsonl") else split_values
    with open_stream(path, format.compression) as stream:
        # As in CSV, blank lines are no rows.
        yield ((line, is_complete) for line, is_complete in split(stream) if line.strip())


def line_tables(path: Path, format: Format, rows: int) -> Iterator[pa.Table]:
    """Yield the lines as tables of one column, `line`."""
    import pyarrow as pa

    with _lines(path, format) as lines:
        while part := list(islice(lines, min(rows, _ROWS))):
            table = pa.table({"line": pa.array([line for line, _ in part], type=pa.binary())})
            yield with_problems(
                table, {number: _TOO_LONG for number, (_, is_complete) in enumerate(part) if not is_complete}
            )


def read_lines(
    lines: Sequence[bytes], fields: Sequence[Field], index: range, problems: Mapping[int, str], *, ignore_extra: bool
) -> tuple[pd.DataFrame, list[InputFailure]]:
    """Return the valid records as a typed frame, and the failures of the others."""
    import pandas as pd

    names = {field.name for field in fields}
    failures, records, rows = [], [], []
    for position, (row, line) in enumerate(zip(index, lines, strict=True)):
        record = problems.get(position) or _record(line)
        if isinstance(record, str):
            failures.append(InputFailure(row, None, record))
            continue
        records.append({name: value for name, value in record.items() if name in names} if ignore_extra else record)
        rows.append(row)
    columns, wrong = read_records(fields, records)
    failures += [InputFailure(rows[failure.row or 0], failure.field, failure.reason) for failure in wrong]
    invalid = {failure.row for failure in failures}
    valid = [position for position, row in enumerate(rows) if row not in invalid]
    series = {}
    for field in fields:
        values = to_array(field, [columns[field.name][position] for position in valid])
        series[field.name] = pd.Series(values, dtype=values.dtype)
        if field.dtype == "datetime":
            series[field.name] = series[field.name].dt.tz_localize("UTC")
    frame = pd.DataFrame(series)
    frame.index = pd.Index(np.array([rows[position] for position in valid], dtype=np.int64))
    failures.sort(key=lambda failure: failure.row or 0)
    return frame, failures


def _record(line: bytes) -> dict[str, Any] | str:
    """Return the record of a line, or the reason why the line is invalid."""
    try:
        record = parse_json(line, what="line")
    except JsonError as error:
        return f"cannot be read: {error}".rstrip(".")
    return record if isinstance(record, dict) else "is not an object with the model's fields"
