"""Validate rows by the signature, and turn them into the columns that features are computed on.

Records (from JSON) and frames give the same columns. One call finds every invalid field of every row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputFailure, InvalidInputError
from ...text import nearest
from .columns import Codes, Column, columns_of, frame_of, is_null, with_names
from .fields import Field
from .parsing import LARGEST, READERS, kind_of, storable
from .signature import Signature
from .training_columns import number_type

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Rows", "as_trained", "read_records", "read_rows", "to_array"]

_ABSENT = object()


@dataclass(frozen=True)
class Rows:
    """Validated rows.

    Attributes
    ----------
    columns
        One array for each field of the signature.
    absent
        Field -> mask of the rows without it, for fields that are absent from some row.
    """

    columns: Mapping[str, Column]
    absent: Mapping[str, Column]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def read_rows(
    signature: Signature,
    rows: Mapping[str, Any] | Sequence[Mapping[str, Any]] | pd.DataFrame | Column,
    *,
    coded: bool = False,
) -> Rows:
    """Validate rows and return them as columns: records, one record, a frame, or a matrix with a column for each field.

    Parameters
    ----------
    coded
        Whether categorical columns of a frame may be returned as `Codes`.

    Raises
    ------
    InvalidInputError
        With every invalid field of every row.
    SignatureError
        If the number of columns of a matrix is not the number of fields.
    """
    if isinstance(rows, Mapping):
        return _read_records(signature, [rows])
    if isinstance(rows, Sequence):
        return _read_records(signature, rows)
    if isinstance(rows, np.ndarray):
        return _read_frame(signature, frame_of(rows, signature.names), coded=coded)
    return _read_frame(signature, rows, coded=coded)


def _read_records(signature: Signature, rows: Sequence[Mapping[str, Any]]) -> Rows:
    if not rows:
        raise InvalidInputError([InputFailure(None, None, "there are no rows; send at least one")])
    failures: list[InputFailure] = []
    known = set(signature.names)
    listed: Sequence[Any] = rows
    for index, row in enumerate(listed):
        if not isinstance(row, Mapping):
            failures.append(InputFailure(index, None, f"is a {kind_of(row)}, not an object with fields"))
        elif not known.issuperset(row):
            failures += [_unknown(name, known, row=index) for name in row if name not in known]
    if any(failure.field is None for failure in failures):
        raise InvalidInputError(failures)
    columns, absent = {}, {}
    for field in signature.inputs:
        columns[field.name], mask = _read_field(field, rows, failures)
        if mask is not None:
            absent[field.name] = mask
    if failures:
        raise InvalidInputError(sorted(failures, key=lambda failure: failure.row or 0))
    _check_relations(signature, columns)
    return Rows(columns, absent)


def _check_relations(signature: Signature, columns: Mapping[str, Any]) -> None:
    """Raise InvalidInputError with every row of valid values that breaks a relation."""
    failures = [
        InputFailure(int(row), rule.high, rule.reason(signature[rule.high]))
        for rule in signature.rules
        for row in np.flatnonzero(rule.breaks(columns[rule.low], columns[rule.high]))
    ]
    if failures:
        raise InvalidInputError(sorted(failures, key=lambda failure: failure.row or 0))


def read_records(
    fields: Sequence[Field], rows: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, list[Any]], list[InputFailure]]:
    """Return the values of each field, None for null, and every failure."""
    known = {field.name for field in fields}
    failures = [_unknown(name, known, row=index) for index, row in enumerate(rows) for name in row if name not in known]
    return {field.name: _values(field, rows, failures)[0] for field in fields}, failures


def _read_field(
    field: Field, rows: Sequence[Mapping[str, Any]], failures: list[InputFailure]
) -> tuple[Column, Column | None]:
    values, left_out = _values(field, rows, failures)
    if failures:
        return np.empty(0), None
    mask = None
    if left_out:
        mask = np.zeros(len(rows), dtype=bool)
        mask[left_out] = True
    return to_array(field, values), mask


def _values(
    field: Field, rows: Sequence[Mapping[str, Any]], failures: list[InputFailure]
) -> tuple[list[Any], list[int]]:
    """Return the values of a field, and the indices of the rows without it."""
    read = READERS[field.dtype]
    values: list[Any] = []
    left_out: list[int] = []
    for index, row in enumerate(rows):
        value = row.get(field.name, _ABSENT)
        reason = None
        if value is _ABSENT:
            left_out.append(index)
            value, reason = None, None if field.optional else "is missing"
        elif value is None:
            reason = None if field.nullable else "is null"
        else:
            value, reason = read(field, value)
        if reason is not None:
            failures.append(InputFailure(index, field.name, reason))
        values.append(value)
    return values, left_out


def to_array(field: Field, values: list[Any]) -> Column:
    """Return parsed values, None for null, as the column of a field."""
    if field.dtype in ("string", "category"):
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column
    if field.dtype == "datetime":
        return np.array(values, dtype="datetime64[us]")
    if field.dtype == "float" or field.nullable:
        return as_trained(field, np.array([math.nan if value is None else value for value in values], dtype=np.float64))
    return np.array(values, dtype=np.int64 if field.dtype == "int" else np.bool_)


def as_trained(field: Field, numbers: Column) -> Column:
    """Return float64 numbers, rounded to float32 if those of the training frame were."""
    narrow = number_type(field.training_dtype) if field.dtype == "float" else None
    if narrow is None:
        return numbers
    with np.errstate(over="ignore"):
        return numbers.astype(narrow).astype(np.float64)


def _unknown(name: object, known: set[str], *, row: int | None) -> InputFailure:
    near = nearest(str(name), sorted(known))
    hint = f" (did you mean '{near}'?)" if near else "; leave it out"
    return InputFailure(row, str(name), f"is not a field of the model{hint}")


def _read_frame(signature: Signature, frame: pd.DataFrame, *, coded: bool) -> Rows:
    frame = with_names(frame)
    known = set(signature.names)
    failures = [_unknown(name, known, row=None) for name in frame.columns if name not in known]
    failures += [
        InputFailure(None, field.name, "is missing")
        for field in signature.inputs
        if field.name not in frame.columns and not field.optional
    ]
    if not len(frame):
        failures.append(InputFailure(None, None, "there are no rows; send at least one"))
    if failures:
        raise InvalidInputError(failures)
    columns, absent = {}, {}
    for field in signature.inputs:
        if field.name in frame.columns:
            series = frame[field.name]
            codes = _read_codes(field, series) if coded else None
            columns[field.name] = _read_series(field, series, failures) if codes is None else codes
        else:
            columns[field.name] = to_array(field, [None] * len(frame))
            absent[field.name] = np.ones(len(frame), dtype=bool)
    if failures:
        raise InvalidInputError(sorted(failures, key=lambda failure: failure.row or 0))
    _check_relations(signature, columns)
    return Rows(columns, absent)


def _read_series(field: Field, series: pd.Series[Any], failures: list[InputFailure]) -> Column:
    """Read a column as a whole if its dtype fits the field, otherwise value by value."""
    column = _plain_column(field, series)
    wrong = None if column is None else list(_failures(field, column))
    if column is not None and not wrong:
        return column.astype(np.int64, copy=False) if field.dtype == "int" and not field.nullable else column
    values = [None if is_null(value) else value for value in series.tolist()]
    own: list[InputFailure] = []
    array, _ = _read_field(field, [{field.name: value} for value in values], own)
    failures += own
    return array


def _read_codes(field: Field, series: pd.Series[Any]) -> Any:
    """Return a valid categorical column of strings as codes; None for other columns."""
    categories = getattr(series.dtype, "categories", None)
    if categories is None or field.dtype != "category":
        return None
    known = np.empty(len(categories) + 1, dtype=object)
    known[:-1], known[-1] = categories, None
    codes = series.cat.codes.to_numpy().astype(np.intp)
    null = codes < 0
    if null.any():
        codes[null] = len(categories)
    used = known[:-1] if not null.any() else known
    return None if any(_string_failures(field, used)) else Codes(codes, known)


def _plain_column(field: Field, series: pd.Series[Any]) -> Column | None:
    kind = getattr(series.dtype, "kind", "O")
    fits = {"bool": "b", "int": "iuf", "float": "iuf", "datetime": "M"}
    # Columns of booleans with nulls are floats.
    is_flags = field.dtype == "bool" and field.nullable and kind == "f" and series.dropna().isin([0.0, 1.0]).all()
    if kind not in fits.get(field.dtype, "O") and not is_flags:
        return None
    if field.dtype == "datetime" and getattr(series.dtype, "tz", None) is None:
        return None
    if field.dtype == "int" and kind == "u" and series.notna().any() and series.max() > np.iinfo(np.int64).max:
        return None
    if field.dtype == "int" and kind in "iu" and not series.isna().any():
        # The column of an extension type would become floats.
        series = series.astype("int64")
    column = columns_of(series.to_frame(field.name))[field.name]
    if field.dtype == "float":
        return as_trained(field, column.astype(np.float64))
    return column.astype(np.float64) if field.nullable and field.dtype in ("int", "bool") else column


def _failures(field: Field, column: Column) -> Iterator[str]:
    """Yield a keyword for each kind of failure in a column; the caller then reads value by value, to find the rows."""
    if column.dtype.kind == "O":
        yield from _string_failures(field, column)
        return
    null = np.isnat(column) if column.dtype.kind == "M" else np.isnan(column.astype(np.float64, copy=False))
    if null.any() and not field.nullable:
        yield "null"
    if column.dtype.kind == "M":
        if field.minimum is not None or field.maximum is not None:
            yield "limits are checked value by value"
        return
    # fmin and fmax ignore NaN, so these are the limits of the values that are not null.
    least, most = np.fmin.reduce(column), np.fmax.reduce(column)
    if (field.minimum is not None and least < field.minimum) or (field.maximum is not None and most > field.maximum):
        yield "range"
    if not null.all() and not _is_storable(field, least, most):
        yield "size"
    if field.dtype == "int" and column.dtype.kind == "f" and (column[~null] != np.floor(column[~null])).any():
        yield "fraction"


def _is_storable(field: Field, least: Any, most: Any) -> bool:
    low, high = storable(field)
    if field.dtype == "int" and not isinstance(most, np.integer):
        low, high = max(low, -LARGEST), min(high, LARGEST)
    return bool(low <= least.item() and most.item() <= high)


def _string_failures(field: Field, column: Column) -> Iterator[str]:
    try:
        strings = set(column.tolist())
    except TypeError:
        yield "not strings"
        return
    if None in strings and not field.nullable:
        yield "null"
    strings.discard(None)
    allowed = None if field.open or field.categories is None else set(field.categories)
    for text in strings:
        # A lone surrogate is not printable. Other strings that are not printable only take the slower path.
        if type(text) is not str or not text.isprintable() or (allowed is not None and text not in allowed):
            yield "string"
