"""Rows as they come, checked against the signature, to columns as features are computed on.

Records (from JSON) and frames give the same columns. Every wrong field of every row is found, in one go.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputFailure, InvalidInputError
from .columns import Codes, Column, columns_of, frame_of
from .fields import Field
from .parsing import LARGEST, READERS, kind_of
from .signature import Signature

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Rows", "read_records", "read_rows", "to_array"]

_ABSENT = object()


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


def read_rows(
    signature: Signature, rows: Sequence[Mapping[str, Any]] | pd.DataFrame | Column, *, coded: bool = False
) -> Rows:
    """Check rows (records, a frame, or a matrix of the fields in order) and return them as columns.

    Parameters
    ----------
    coded
        Whether a frame's categoricals may become `Codes`.

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
        return _read_frame(signature, frame_of(rows, signature.names), coded=coded)
    return _read_frame(signature, rows, coded=coded)


def _read_records(signature: Signature, rows: Sequence[Mapping[str, Any]]) -> Rows:
    if not rows:
        raise InvalidInputError([InputFailure(None, None, "there are no rows; give at least one")])
    failures: list[InputFailure] = []
    known = set(signature.names)
    listed: Sequence[Any] = rows
    for place, row in enumerate(listed):
        if not isinstance(row, Mapping):
            failures.append(InputFailure(place, None, f"is a {kind_of(row)}, not an object with fields"))
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


def read_records(
    fields: Sequence[Field], rows: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, list[Any]], list[InputFailure]]:
    """Return each field's values in records, None for null, and all that is wrong with them."""
    known = {field.name for field in fields}
    failures = [_unknown(name, known, row=place) for place, row in enumerate(rows) for name in row if name not in known]
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
    """Return a field's values, and the rows that left it out."""
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
    return values, left_out


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


def _unknown(name: object, known: set[str], *, row: int | None) -> InputFailure:
    near = difflib.get_close_matches(str(name), sorted(known), n=1)
    hint = f"did you mean '{near[0]}'?" if near else "leave it out"
    return InputFailure(row, str(name), f"is not a field of the model; {hint}")


def _read_frame(signature: Signature, frame: pd.DataFrame, *, coded: bool) -> Rows:
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
            series = frame[field.name]
            codes = _read_codes(field, series) if coded else None
            columns[field.name] = _read_series(field, series, failures) if codes is None else codes
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


def _read_codes(field: Field, series: pd.Series[Any]) -> Any:
    """Return a categorical of texts as codes; None where it is none, or where some value takes a closer look."""
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
    return None if any(_wrong_texts(field, used)) else Codes(codes, known)


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
    # Of NaN and a number, these take the number.
    least, most = np.fmin.reduce(column), np.fmax.reduce(column)
    if (field.minimum is not None and least < field.minimum) or (field.maximum is not None and most > field.maximum):
        yield "range"
    largest = LARGEST if field.dtype == "int" else np.finfo(np.float64).max
    if not null.all() and not -largest <= float(least) <= float(most) <= largest:
        yield "size"
    if field.dtype == "int" and column.dtype.kind == "f" and (column[~null] != np.floor(column[~null])).any():
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
