"""Columns of a batch by their declaration: converted strictly, and checked; each row that breaks an expectation is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ...errors import WindowError
from ...project import ColumnSection
from ..sources import DeclaredSource
from .dates import localize, parse_timestamps

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

__all__ = ["Broken", "Converted", "arrow_type", "convert_column"]

# Up to 18 digits: 64 bits hold all of these.
_INTEGER = r"^[+-]?[0-9]{1,18}(\.0*)?$"
_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_BOOLEANS: Mapping[str, bool] = {"true": True, "false": False, "1": True, "0": False}

# An expectation, and which rows break it.
Broken: TypeAlias = "tuple[str, np.ndarray[Any, Any]]"


@dataclass(frozen=True)
class Converted:
    """A column in its declared type.

    Attributes
    ----------
    values
        The values; null where the source has null or what cannot be converted.
    broken
        The expectations that rows break.
    """

    values: pa.Array
    broken: tuple[Broken, ...]


def arrow_type(column: ColumnSection) -> pa.DataType:
    """Return the type in which a column is stored."""
    import pyarrow as pa

    types = {
        "string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }  # fmt: skip
    return types[column.kind]


def convert_column(source: DeclaredSource, name: str, found: pa.ChunkedArray) -> Converted:
    """Return a column of a source in its declared type.

    Raises
    ------
    WindowError
        If the source has a type that is never of this kind.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = source.columns[name]
    values = found.combine_chunks()
    if isinstance(values, pa.ChunkedArray):  # pyarrow before 22
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], found.type)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        values = values.cast(pa.string())
    if pa.types.is_string(values.type):
        values = _without_nulls(source, values)
    if pa.types.is_floating(values.type):  # pandas writes null as NaN
        values = pc.if_else(pc.is_nan(values), None, values)
    converted = _converted(source, name, values)
    lost = pc.and_(pc.is_valid(values), pc.is_null(converted))
    broken = [(f"{name} {_phrase(source, name)}", _mask(lost))]
    broken += [(f"{name} {text}", _mask(mask)) for text, mask in _expectations(column, values, converted)]
    return Converted(converted, tuple((text, mask) for text, mask in broken if mask.any()))


def _without_nulls(source: DeclaredSource, values: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    nulls = pa.array(["", *source.settings.nulls], pa.string())
    return pc.if_else(pc.is_in(values, value_set=nulls), None, values)


def _converted(source: DeclaredSource, name: str, values: pa.Array) -> pa.Array:
    """Return the values in the declared type, null where they cannot be converted."""
    import pyarrow as pa

    column, target = source.columns[name], arrow_type(source.columns[name])
    if pa.types.is_null(values.type):
        return values.cast(target)
    if pa.types.is_string(values.type):
        return _FROM_STRINGS[column.kind](source, name, values)
    is_number = (
        pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_decimal(values.type)
    )
    if column.kind == "timestamp" and (pa.types.is_timestamp(values.type) or pa.types.is_date(values.type)):
        micro = values.cast(pa.timestamp("us", tz=getattr(values.type, "tz", None)), safe=False)
        return micro.cast(target) if micro.type.tz else localize(micro, source.local_zone)
    if column.kind in ("integer", "number") and is_number:
        return _number(values) if column.kind == "number" else _integer(values)
    if column.kind == "boolean" and pa.types.is_boolean(values.type):
        return values
    raise WindowError(
        f"The source '{source.name}' has the type {values.type} in column '{name}', which is declared as '{column.kind}'. "
        f"Correct '{source.key}.columns.{name}', or cast the column in the source.",
        problem="type",
    )


def _number(values: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = values.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_finite(found), found, None)


def _integer(values: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(values.type) and values.type != pa.uint64():
        return values.cast(pa.int64())
    found = _number(values)
    is_whole = pc.and_(pc.equal(found, pc.floor(found)), pc.less(pc.abs(found), 2.0**63))
    return pc.if_else(is_whole, found, None).cast(pa.int64(), safe=False)


def _strings(source: DeclaredSource, name: str, values: pa.Array) -> pa.Array:
    return values


def _number_strings(source: DeclaredSource, name: str, values: pa.Array) -> pa.Array:
    import pyarrow as pa

    return _number(_matching(_trimmed(source, values), _NUMBER).cast(pa.float64()))


def _integer_strings(source: DeclaredSource, name: str, values: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    matching = _matching(_trimmed(source, values), _INTEGER)
    return pc.replace_substring_regex(matching, r"^\+|\.0*$", "").cast(pa.int64())


def _boolean_strings(source: DeclaredSource, name: str, values: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    lower = pc.utf8_lower(pc.utf8_trim_whitespace(values))
    known = pc.index_in(lower, value_set=pa.array(list(_BOOLEANS)))
    return pa.array(list(_BOOLEANS.values())).take(known)


def _timestamp_strings(source: DeclaredSource, name: str, values: pa.Array) -> pa.Array:
    return parse_timestamps(values, source.settings.dates.get(name, ""), source.local_zone)


_FROM_STRINGS: Mapping[str, Callable[[DeclaredSource, str, Any], Any]] = {
    "string": _strings,
    "number": _number_strings,
    "integer": _integer_strings,
    "boolean": _boolean_strings,
    "timestamp": _timestamp_strings,
}


def _trimmed(source: DeclaredSource, values: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(values)
    if source.settings.decimal == ".":
        return trimmed
    # With a decimal comma, a point is not a decimal mark too.
    without = pc.replace_substring(trimmed, ".", "?")
    return pc.replace_substring(without, ",", ".")


def _matching(values: pa.Array, pattern: str) -> pa.Array:
    import pyarrow.compute as pc

    return pc.if_else(pc.match_substring_regex(values, pattern), values, None)


def _phrase(source: DeclaredSource, name: str) -> str:
    kind = source.columns[name].kind
    if kind == "timestamp":
        format = source.settings.dates.get(name)
        return f"is a timestamp in the format '{format}'" if format else "is a timestamp of ISO 8601"
    return {"integer": "is an integer", "number": "is a number", "boolean": "is true or false"}.get(kind, "is a string")


def _expectations(column: ColumnSection, given: pa.Array, values: pa.Array) -> Iterator[tuple[str, Any]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not column.nullable:
        yield "is not null", pc.is_null(given)
    if column.minimum is not None:
        yield f"is at least {column.minimum:g}", pc.less(values, column.minimum)
    if column.maximum is not None:
        yield f"is at most {column.maximum:g}", pc.greater(values, column.maximum)
    if column.categories:
        known = pc.is_in(values, value_set=pa.array(column.categories, pa.string()))
        yield "is a known category", pc.and_(pc.is_valid(values), pc.invert(known))


def _mask(values: Any) -> np.ndarray[Any, Any]:
    import pyarrow.compute as pc

    found: np.ndarray[Any, Any] = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return found
