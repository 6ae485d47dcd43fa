"""Lines of JSON, each a record as REST takes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputFailure, JsonError
from ..model.signature import Field, read_records, to_array
from .strict_json import parse_json

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["keys_of_line", "read_lines"]


def keys_of_line(line: bytes) -> list[str]:
    """Return the keys of a line's record; none of a line that holds none."""
    record = _record(line)
    return [] if isinstance(record, str) else list(record)


def read_lines(
    lines: Sequence[bytes], fields: Sequence[Field], index: range, *, ignore_extra: bool
) -> tuple[pd.DataFrame, list[InputFailure]]:
    """Return the records that can be read as a typed frame, and what is wrong with the others."""
    import pandas as pd

    names = {field.name for field in fields}
    failures, records, kept = [], [], []
    for row, line in zip(index, lines, strict=True):
        record = _record(line)
        if isinstance(record, str):
            failures.append(InputFailure(row, None, record))
            continue
        records.append({name: value for name, value in record.items() if name in names} if ignore_extra else record)
        kept.append(row)
    columns, wrong = read_records(fields, records)
    failures += [InputFailure(kept[failure.row or 0], failure.field, failure.reason) for failure in wrong]
    refused = {failure.row for failure in failures}
    right = [place for place, row in enumerate(kept) if row not in refused]
    made = {}
    for field in fields:
        values = to_array(field, [columns[field.name][place] for place in right])
        made[field.name] = pd.Series(values, dtype=values.dtype)
        if field.dtype == "datetime":
            made[field.name] = made[field.name].dt.tz_localize("UTC")
    frame = pd.DataFrame(made)
    frame.index = pd.Index(np.array([kept[place] for place in right], dtype=np.int64))
    failures.sort(key=lambda failure: failure.row or 0)
    return frame, failures


def _record(line: bytes) -> dict[str, Any] | str:
    """Return the record of a line, or why it holds none."""
    try:
        record = parse_json(line, what="line")
    except JsonError as error:
        return f"cannot be read: {error}".rstrip(".")
    return record if isinstance(record, dict) else "is not an object with the model's fields"
