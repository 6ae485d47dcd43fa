"""Columns of Python values, as drivers of databases and JSON give them, to Arrow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ...project import ColumnSection

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["table_of"]

_PHRASES = {
    "string": "is a string", "integer": "is an integer", "number": "is a number", "boolean": "is true or false",
    "timestamp": "is a timestamp",
}  # fmt: skip


def table_of(
    columns: Mapping[str, Sequence[Any]], declared: Mapping[str, ColumnSection]
) -> tuple[pa.Table, dict[int, str]]:
    """Return a table, and for the rows with a value of another kind, by position, the expectation that they break.

    Strings stay strings: they are parsed by what is declared.

    >>> table, wrong = table_of({"price": [Decimal("1.5"), [], None]}, {"price": ColumnSection("number")})
    >>> table["price"].to_pylist(), wrong
    ([1.5, None, None], {1: 'price is a number'})
    """
    import pyarrow as pa

    arrays: dict[str, pa.Array] = {}
    unreadable: dict[int, str] = {}
    for name, values in columns.items():
        kind = declared[name].kind
        arrays[name], wrong = _array(values, kind)
        unreadable |= dict.fromkeys(wrong, f"{name} {_PHRASES[kind]}")
    return pa.table(arrays), unreadable


def _array(values: Sequence[Any], kind: str) -> tuple[pa.Array, list[int]]:
    import pyarrow as pa

    first = next((value for value in values if value is not None), None)
    if isinstance(first, str):
        return _checked(values, pa.string(), lambda value: value if isinstance(value, str) else _WRONG)
    if kind == "timestamp":
        zoned = isinstance(first, datetime) and first.tzinfo is not None
        type_ = pa.timestamp("us", tz="UTC" if zoned else None)
        return _checked(values, type_, lambda value: _instant(value, zoned=zoned))
    types = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(), "string": pa.string()}
    return _checked(values, types[kind], _CONVERT[kind])


_WRONG = object()


def _checked(values: Sequence[Any], type_: pa.DataType, convert: Any) -> tuple[pa.Array, list[int]]:
    import pyarrow as pa

    found = [None if value is None else convert(value) for value in values]
    wrong = [position for position, value in enumerate(found) if value is _WRONG]
    return pa.array([None if value is _WRONG else value for value in found], type_), wrong


def _instant(value: Any, *, zoned: bool) -> Any:
    if isinstance(value, datetime):
        if (value.tzinfo is not None) != zoned:
            return _WRONG
        return value.astimezone(UTC) if zoned else value
    if isinstance(value, date) and not zoned:
        return datetime(value.year, value.month, value.day)
    return _WRONG


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return _WRONG
    found = float(value)
    return None if math.isnan(found) else found


def _integer(value: Any) -> Any:
    found = _number(value)
    if found is _WRONG or found is None:
        return found
    if not math.isfinite(found) or value != int(value) or abs(int(value)) >= 1 << 63:
        return _WRONG
    return int(value)


def _boolean(value: Any) -> Any:
    # SQLite and MySQL have no type for them.
    return bool(value) if isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)) else _WRONG


_CONVERT = {"integer": _integer, "number": _number, "boolean": _boolean, "string": lambda value: _WRONG}
