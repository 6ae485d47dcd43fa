"""Validate a whole column of a frame at once, where its dtype allows that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .columns import Codes, Column, columns_of
from .fields import Field
from .parsing import LARGEST, storable
from .training_columns import as_trained

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["valid_codes", "valid_column"]


def valid_column(field: Field, series: pd.Series[Any]) -> Column | None:
    """Return a valid column; None if its dtype does not fit the field or a value is not valid."""
    column = _plain_column(field, series)
    if column is None or any(_failures(field, column)):
        return None
    return column.astype(np.int64, copy=False) if field.dtype == "int" and not field.nullable else column


def valid_codes(field: Field, series: pd.Series[Any]) -> Any:
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
    # The usual column: `columns_of` would take longer to find out what it is than to convert it.
    usual = field.dtype == "float" and series.dtype == np.float64 and isinstance(series.dtype, np.dtype)
    column = series.to_numpy() if usual else columns_of(series.to_frame(field.name))[field.name]
    if field.dtype == "float":
        return as_trained(field, column.astype(np.float64))
    return column.astype(np.float64) if field.nullable and field.dtype in ("int", "bool") else column


def _failures(field: Field, column: Column) -> Iterator[str]:
    """Yield a keyword for each kind of failure in a column."""
    if column.dtype.kind == "O":
        yield from _string_failures(field, column)
        return
    is_null = np.isnat if column.dtype.kind == "M" else np.isnan
    null = is_null(column)
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
