"""Parse single values by their field: each parser returns the value, or the reason why it is not valid."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ...text import nearest
from .fields import Field
from .timestamps import read_timestamp
from .training_columns import number_type

__all__ = ["LARGEST", "READERS", "kind_of", "storable"]

# The largest integer below which float64 holds every integer: 2**53 and 2**53 + 1 are the same float64.
LARGEST = 2**53 - 1
_LARGEST_KEY = 2**63 - 1

_Read = tuple[Any, "str | None"]


def storable(field: Field) -> tuple[Any, Any]:
    """Return the smallest and the largest number that a field can hold.

    An integer has no rounding as float64, unless it is a key without nulls, which keeps all of its 64 bits. A number
    of a narrower type in training must fit that type.

    >>> storable(Field("id", "int", key=True)) == (-(2**63) + 1, 2**63 - 1)
    True
    >>> storable(Field("age", "int", training_dtype="uint8"))
    (0, 255)
    """
    narrow = number_type(field.training_dtype)
    if field.dtype == "float":
        largest = float(np.finfo(np.float64 if narrow is None or narrow.kind != "f" else narrow).max)
        return -largest, largest
    most = _LARGEST_KEY if field.key and not field.nullable else LARGEST
    if narrow is None or narrow.kind == "f":
        return -most, most
    limits = np.iinfo(narrow)
    return max(-most, int(limits.min)), min(most, int(limits.max))


def _read_bool(field: Field, value: Any) -> _Read:
    if not isinstance(value, (bool, np.bool_)):
        return value, f"is {_shown(field, value)}, not true or false"
    return bool(value), None


def _read_int(field: Field, value: Any) -> _Read:
    # JSON, pandas and Spark write integers as floats too: 3.0.
    is_float = isinstance(value, (float, np.floating))
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not (is_integer or (is_float and float(value).is_integer())):
        return value, f"is {_shown(field, value)}, not an integer"
    low, high = storable(field)
    if is_float:
        low, high = max(low, -LARGEST), min(high, LARGEST)
    if not low <= int(value) <= high:
        return value, _unstorable(field)
    return int(value), _out_of_range(field, int(value))


def _read_float(field: Field, value: Any) -> _Read:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        return value, f"is {_shown(field, value)}, not a number"
    try:
        number = float(value)
    except OverflowError:
        return value, "is too large to be stored"
    if math.isnan(number) and field.nullable:
        return None, None
    if not math.isfinite(number):
        return value, "is not a finite number"
    low, high = storable(field)
    if not low <= number <= high:
        return value, _unstorable(field)
    return number, _out_of_range(field, number)


def _read_string(field: Field, value: Any) -> _Read:
    if not isinstance(value, str):
        return value, f"is {_shown(field, value)}, not a string"
    if any("\ud800" <= character <= "\udfff" for character in value):
        return value, "holds a lone surrogate"
    if field.categories is not None and not field.open and value not in field.categories:
        return value, _unknown_category(field, value)
    return value, None


def _read_datetime(field: Field, value: Any) -> _Read:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            if field.timezone is None:
                return value, "has no offset, as in 2024-01-31T08:00:00+00:00"
            value = value.isoformat()
        else:
            timestamp = value.astimezone(UTC)
            return timestamp.replace(tzinfo=None), _outside_limits(field, timestamp)
    if not isinstance(value, str):
        return value, f"is {_shown(field, value)}, not a timestamp in ISO 8601"
    try:
        timestamp = read_timestamp(value, field)
    except (ValueError, OverflowError) as error:
        return value, str(error)
    return timestamp.replace(tzinfo=None), _outside_limits(field, timestamp)


READERS: Mapping[str, Callable[[Field, Any], _Read]] = {
    "bool": _read_bool,
    "int": _read_int,
    "float": _read_float,
    "string": _read_string,
    "category": _read_string,
    "datetime": _read_datetime,
}


def _out_of_range(field: Field, value: Any) -> str | None:
    if field.minimum is not None and value < field.minimum:
        return f"is {_shown(field, value)}, below the minimum, {field.minimum:g}"
    if field.maximum is not None and value > field.maximum:
        return f"is {_shown(field, value)}, above the maximum, {field.maximum:g}"
    return None


def _unstorable(field: Field) -> str:
    narrow = number_type(field.training_dtype)
    return (
        "is too large to be stored exactly" if narrow is None else f"does not fit the training column's type, {narrow}"
    )


def _outside_limits(field: Field, timestamp: datetime) -> str | None:
    if field.minimum is not None and timestamp < datetime.fromisoformat(str(field.minimum)):
        return f"is before {field.minimum}"
    if field.maximum is not None and timestamp > datetime.fromisoformat(str(field.maximum)):
        return f"is after {field.maximum}"
    return None


def _unknown_category(field: Field, value: str) -> str:
    known = field.categories or ()
    near = nearest(value, known)
    listed = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
    hint = f" (did you mean '{near}'?)" if near else f"; known: {listed}"
    return f"is {_shown(field, value)}, which is not a known category{hint}"


def _shown(field: Field, value: Any) -> str:
    return f"a {kind_of(value)}" if field.pii else f"'{str(value)[:40]}'"


def kind_of(value: Any) -> str:
    """Return the JSON name of a value's type."""
    names = {dict: "object", list: "list", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number" if isinstance(value, (int, float)) else type(value).__name__)
