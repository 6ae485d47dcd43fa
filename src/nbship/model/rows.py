"""Rows as they come, checked against the signature, to columns as features are computed on.

Records (from JSON) and frames give the same columns. Every wrong field of every row is found, in one go.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputFailure, InvalidInputError
from .columns import Column, columns_of, frame_of
from .signature import Field, Signature
from .tables import read_moment

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LARGEST", "READERS", "Rows", "read_rows", "to_array"]

# Beyond it floating-point numbers skip whole ones.
LARGEST = 2**53


@dataclass(frozen=True)
class Rows:
    """Checked rows.

    Attributes
    ----------
    columns
        One array for each field of the signature.
    absent
        Field -> mask of the rows that left it out, for fields that some row left out.
    """

    columns: Mapping[str, Column]
    absent: Mapping[str, Column]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def read_rows(signature: Signature, rows: Sequence[Mapping[str, Any]] | pd.DataFrame | Column) -> Rows:
    """Check rows (records, a frame, or a matrix of the fields in order) and return them as columns.

    Raises
    ------
    InvalidInputError
        With every wrong field of every row.
    SignatureError
        If a matrix has more or fewer columns than the signature fields.
    """
    if isinstance(rows, Sequence):
        return _read_records(signature, rows)
    if isinstance(rows, np.ndarray):
        return _read_frame(signature, frame_of(rows, signature.names))
    return _read_frame(signature, rows)


def _read_records(signature: Signature, rows: Sequence[Mapping[str, Any]]) -> Rows:
    if not rows:
        raise InvalidInputError([InputFailure(None, None, "there are no rows; give at least one")])
    failures: list[InputFailure] = []
    known = set(signature.names)
    listed: Sequence[Any] = rows
    for place, row in enumerate(listed):
        if not isinstance(row, Mapping):
            failures.append(InputFailure(place, None, f"is a {_kind(row)}, not an object with fields"))
        elif not known.issuperset(row):
            failures += [_unknown(name, known, row=place) for name in row if name not in known]
    if any(failure.field is None for failure in failures):
        raise InvalidInputError(failures)
    columns, absent = {}, {}
    for field in signature.inputs:
        columns[field.name], mask = _read_field(field, rows, failures)
        if mask is not None:
            absent[field.name] = mask
    if failures:
        raise InvalidInputError(sorted(failures, key=lambda failure: failure.row or 0))
    return Rows(columns, absent)


def _read_field(
    field: Field, rows: Sequence[Mapping[str, Any]], failures: list[InputFailure]
) -> tuple[Column, Column | None]:
    read = READERS[field.dtype]
    values: list[Any] = []
    left_out: list[int] = []
    for place, row in enumerate(rows):
        value = row.get(field.name, _ABSENT)
        reason = None
        if value is _ABSENT:
            left_out.append(place)
            value, reason = None, None if field.optional else "is missing"
        elif value is None:
            reason = None if field.nullable else "is null"
        else:
            value, reason = read(field, value)
        if reason is not None:
            failures.append(InputFailure(place, field.name, reason))
        values.append(value)
    if failures:
        return np.empty(0), None
    mask = None
    if left_out:
        mask = np.zeros(len(rows), dtype=bool)
        mask[left_out] = True
    return to_array(field, values), mask


def to_array(field: Field, values: list[Any]) -> Column:
    """Return values that were read, None for null, as the column of a field."""
    if field.dtype in ("string", "category"):
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column
    if field.dtype == "datetime":
        return np.array(values, dtype="datetime64[us]")
    if field.dtype == "float" or field.nullable:
        return np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    return np.array(values, dtype=np.int64 if field.dtype == "int" else np.bool_)


_ABSENT = object()
_Read = tuple[Any, "str | None"]


def _read_bool(field: Field, value: Any) -> _Read:
    if not isinstance(value, (bool, np.bool_)):
        return value, f"is {_shown(field, value)}, not true or false"
    return bool(value), None


def _read_int(field: Field, value: Any) -> _Read:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        whole = isinstance(value, (float, np.floating)) and field.nullable and float(value).is_integer()
        if not whole:
            return value, f"is {_shown(field, value)}, not a whole number"
    if abs(value) > LARGEST:
        return value, "is larger than any number that can be kept exactly"
    return int(value), _out_of_range(field, value)


def _read_float(field: Field, value: Any) -> _Read:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        return value, f"is {_shown(field, value)}, not a number"
    try:
        number = float(value)
    except OverflowError:
        return value, "is larger than any number that can be kept"
    if math.isnan(number) and field.nullable:
        return None, None
    if not math.isfinite(number):
        return value, "is not a finite number"
    return number, _out_of_range(field, number)


def _read_text(field: Field, value: Any) -> _Read:
    if not isinstance(value, str):
        return value, f"is {_shown(field, value)}, not text"
    if any("\ud800" <= character <= "\udfff" for character in value):
        return value, "holds half a character (a lone surrogate)"
    if field.categories is not None and not field.open and value not in field.categories:
        return value, _unseen(field, value)
    return value, None


def _read_datetime(field: Field, value: Any) -> _Read:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            if field.timezone is None:
                return value, "has no offset, as in 2024-01-31T08:00:00+00:00"
            value = value.isoformat()
        else:
            moment = value.astimezone(UTC)
            return moment.replace(tzinfo=None), _out_of_time(field, moment)
    if not isinstance(value, str):
        return value, f"is {_shown(field, value)}, not a time in ISO 8601"
    try:
        moment = read_moment(value, field)
    except (ValueError, OverflowError) as error:
        return value, str(error)
    return moment.replace(tzinfo=None), _out_of_time(field, moment)


READERS: Mapping[str, Callable[[Field, Any], _Read]] = {
    "bool": _read_bool,
    "int": _read_int,
    "float": _read_float,
    "string": _read_text,
    "category": _read_text,
    "datetime": _read_datetime,
}


def _out_of_range(field: Field, value: Any) -> str | None:
    if field.minimum is not None and value < field.minimum:
        return f"is {_shown(field, value)}, below the least, {field.minimum:g}"
    if field.maximum is not None and value > field.maximum:
        return f"is {_shown(field, value)}, above the most, {field.maximum:g}"
    return None


def _out_of_time(field: Field, moment: datetime) -> str | None:
    if field.minimum is not None and moment < datetime.fromisoformat(str(field.minimum)):
        return f"is before {field.minimum}"
    if field.maximum is not None and moment > datetime.fromisoformat(str(field.maximum)):
        return f"is after {field.maximum}"
    return None


def _unseen(field: Field, value: str) -> str:
    known = field.categories or ()
    near = difflib.get_close_matches(value, known, n=1)
    listed = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
    hint = f"did you mean '{near[0]}'?" if near else f"known: {listed}"
    return f"is {_shown(field, value)}, which is not a known category; {hint}"


def _unknown(name: object, known: set[str], *, row: int | None) -> InputFailure:
    near = difflib.get_close_matches(str(name), sorted(known), n=1)
    hint = f"did you mean '{near[0]}'?" if near else "leave it out"
    return InputFailure(row, str(name), f"is not a field of the model; {hint}")


def _shown(field: Field, value: Any) -> str:
    return f"a {_kind(value)}" if field.pii else f"'{str(value)[:40]}'"


def _kind(value: Any) -> str:
    names = {dict: "object", list: "list", str: "text", bool: "truth value", type(None): "null"}
    return names.get(type(value), "number" if isinstance(value, (int, float)) else type(value).__name__)


def _read_frame(signature: Signature, frame: pd.DataFrame) -> Rows:
    known = set(signature.names)
    failures = [_unknown(name, known, row=None) for name in frame.columns if name not in known]
    failures += [
        InputFailure(None, field.name, "is missing")
        for field in signature.inputs
        if field.name not in frame.columns and not field.optional
    ]
    if not len(frame):
        failures.append(InputFailure(None, None, "there are no rows; give at least one"))
    if failures:
        raise InvalidInputError(failures)
    columns, absent = {}, {}
    for field in signature.inputs:
        if field.name in frame.columns:
            columns[field.name] = _read_series(field, frame[field.name], failures)
        else:
            columns[field.name] = to_array(field, [None] * len(frame))
            absent[field.name] = np.ones(len(frame), dtype=bool)
    if failures:
        raise InvalidInputError(sorted(failures, key=lambda failure: failure.row or 0))
    return Rows(columns, absent)


def _read_series(field: Field, series: pd.Series[Any], failures: list[InputFailure]) -> Column:
    """Read a column at once where its type is the field's; value by value where it is not."""
    column = _plain_column(field, series)
    wrong = None if column is None else list(_failures(field, column))
    if column is not None and not wrong:
        return column
    values = [None if _is_null(value) else value for value in series.tolist()]
    own: list[InputFailure] = []
    array, _ = _read_field(field, [{field.name: value} for value in values], own)
    failures += own
    return array


def _plain_column(field: Field, series: pd.Series[Any]) -> Column | None:
    kind = getattr(series.dtype, "kind", "O")
    fits = {"bool": "b", "int": "iu" + ("f" if field.nullable else ""), "float": "iuf", "datetime": "M"}
    if kind not in fits.get(field.dtype, "O"):
        return None
    if field.dtype == "datetime" and getattr(series.dtype, "tz", None) is None:
        return None
    column = columns_of(series.to_frame(field.name))[field.name]
    if field.dtype == "float" or (field.nullable and field.dtype in ("int", "bool")):
        return column.astype(np.float64)
    return column


def _failures(field: Field, column: Column) -> Iterator[str]:
    """Yield what is wrong with some value of a column, by kind; then values are looked at one by one."""
    if column.dtype.kind == "O":
        yield from _wrong_texts(field, column)
        return
    null = np.isnat(column) if column.dtype.kind == "M" else np.isnan(column.astype(np.float64, copy=False))
    if null.any() and not field.nullable:
        yield "null"
    if column.dtype.kind == "M":
        if field.minimum is not None or field.maximum is not None:
            yield "limits are checked value by value"
        return
    present = column[~null] if null.any() else column
    if (field.minimum is not None and (present < field.minimum).any()) or (
        field.maximum is not None and (present > field.maximum).any()
    ):
        yield "range"
    if not (np.abs(present.astype(np.float64, copy=False)) <= LARGEST).all():
        yield "size"
    if field.dtype == "int" and column.dtype.kind == "f" and (present != np.floor(present)).any():
        yield "whole"


def _wrong_texts(field: Field, column: Column) -> Iterator[str]:
    try:
        texts = set(column.tolist())
    except TypeError:
        yield "not text"
        return
    if None in texts and not field.nullable:
        yield "null"
    texts.discard(None)
    allowed = None if field.open or field.categories is None else set(field.categories)
    for text in texts:
        if type(text) is not str or not text.isprintable() or (allowed is not None and text not in allowed):
            yield "text"


def _is_null(value: Any) -> bool:
    return value is None or value != value or type(value).__name__ in ("NAType", "NaTType")
