"""Validate rows by the signature, and turn them into the columns that features are computed on.

Records (from JSON) and frames give the same columns. One call finds every invalid field of every row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputFailure, InvalidInputError
from ...text import nearest
from .columns import Column, frame_of, is_null, with_names
from .fields import Field
from .frame_columns import valid_codes, valid_column
from .parsing import READERS, kind_of
from .signature import Signature
from .training_columns import as_trained

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Rows", "read_records", "read_rows", "to_array"]

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
            codes = valid_codes(field, series) if coded else None
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
    column = valid_column(field, series)
    if column is not None:
        return column
    values = [None if is_null(value) else value for value in series.tolist()]
    own: list[InputFailure] = []
    array, _ = _read_field(field, [{field.name: value} for value in values], own)
    failures += own
    return array
