"""Results as files: the same numbers give the same bytes."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import StageError

__all__ = ["canonical_json", "plot_records"]


def canonical_json(content: object) -> str:
    """Render as JSON with sorted keys and the shortest exact floats; NumPy scalars and arrays are converted.

    Raises
    ------
    StageError
        For NaN, infinity, and types that JSON does not have.

    Examples
    --------
    >>> print(canonical_json({"b": (1, 2.50), "a": None}), end="")
    {
      "a": null,
      "b": [
        1,
        2.5
      ]
    }
    """
    return json.dumps(_plain(content, trail=""), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def plot_records(records: object) -> list[dict[str, Any]]:
    """Return plot records as a list; each row of a DataFrame is a record.

    >>> plot_records([{"x": 1, "y": 0.5, "series": "all"}])
    [{'x': 1, 'y': 0.5, 'series': 'all'}]
    """
    rows = records.to_dict("records") if hasattr(records, "to_dict") else records
    if not isinstance(rows, Iterable) or isinstance(rows, (str, Mapping)):
        raise StageError(
            f"A plot is a list of records, not a {type(records).__name__}. Pass one record for each point."
        )
    listed = [dict(row) for row in rows]
    for position, row in enumerate(listed):
        if not {"x", "y"} <= row.keys():
            raise StageError(
                f"Record {position} of the plot has the columns {', '.join(map(repr, row))}. Name two of them 'x' and 'y'."
            )
    return listed


def _plain(value: Any, *, trail: str) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, trail=f"{trail}.{key}" if trail else str(key)) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner, trail=f"{trail}[{index}]") for index, inner in enumerate(value)]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        raise StageError(f"The result '{trail}' is {value}, which JSON cannot represent. Leave it out, or write None.")
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    if isinstance(value, Path):
        return value.as_posix()
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        return _plain(value.tolist(), trail=trail)
    raise StageError(
        f"The result '{trail}' is a {type(value).__name__}, which JSON cannot represent. Convert it to a number, string, list or mapping."
    )
