"""JSON Lines: each line is a record, as in a REST request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputFailure, JsonError
from ..model.signature import Field, read_records, to_array
from .strict_json import parse_json

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_keys", "read_lines"]


def read_keys(line: bytes) -> list[str]:
    """Return the keys of a line's record; an invalid line has none."""
    record = _record(line)
    return [] if isinstance(record, str) else list(record)


def read_lines(
    lines: Sequence[bytes], fields: Sequence[Field], index: range, *, ignore_extra: bool
) -> tuple[pd.DataFrame, list[InputFailure]]:
    """Return the valid records as a typed frame, and the failures of the others."""
    import pandas as pd

    names = {field.name for field in fields}
    failures, records, rows = [], [], []
    for row, line in zip(index, lines, strict=True):
        record = _record(line)
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
