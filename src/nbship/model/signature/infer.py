"""Infer the fields of a signature from the training frame."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import SignatureError
from .columns import Column, frame_of, with_names
from .fields import Field, Scalar
from .timestamps import parse_timestamp
from .training_columns import training_attributes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["infer_fields"]

# A column with more distinct strings than this is free text, not a category.
_MOST_CATEGORIES = 100


def infer_fields(
    frame: pd.DataFrame | Column,
    *,
    keys: Sequence[str] = (),
    lookups: Mapping[str, Sequence[str]],
    fields: Mapping[str, Mapping[str, Any]],
    limits: bool = False,
) -> tuple[Field, ...]:
    """Infer a field for each column of the training frame (or matrix: `x0`, `x1`, …), in its order.

    The dtype of a field comes from the dtype of the column, or of its categories. A column is nullable if it holds
    nulls. A string column with at most 100 distinct values is a category. The time zone comes from zoned timestamps,
    and the format from strings of fields with `dtype: datetime`. Limits are inferred on request only: training data
    rarely contain every valid value, and values beyond a limit are rejected.

    Parameters
    ----------
    keys
        Columns that identify a row.
    lookups
        Lookup name -> columns that are looked up if they are left out.
    fields
        Column -> attributes of its `Field` that override the inferred ones.
    limits
        Whether the smallest and the largest number in the frame become the limits of a field.
    """
    if isinstance(frame, np.ndarray):
        frame = frame_of(frame, [f"x{index}" for index in range(frame.shape[-1])])
    frame = with_names(frame)
    unknown = [name for name in (*keys, *fields, *(c for cs in lookups.values() for c in cs)) if name not in frame]
    if unknown:
        raise SignatureError(
            f"The training frame has no column '{unknown[0]}'. Its columns: {', '.join(map(str, frame))}."
        )
    of_lookup = {column: name for name, columns in lookups.items() for column in columns}
    inputs = []
    for name in map(str, frame.columns):
        stated = dict(fields.get(name, {}))
        if name in of_lookup:
            stated = {"optional": True, "nullable": True, "lookup": of_lookup[name], **stated}
        inputs.append(_infer_field(frame[name], name, stated={"key": name in keys, **stated}, limits=limits))
    return tuple(inputs)


def _infer_field(column: pd.Series[Any], name: str, *, stated: Mapping[str, Any], limits: bool) -> Field:
    if not {"dtype", "categories", "open"} & stated.keys() and _is_unknown(column):
        raise SignatureError(
            f"Column '{name}' holds no value, so its type is unknown. Leave it out, or describe it: "
            f"Signature.infer(…, fields={{'{name}': {{'dtype': 'category', 'open': True}}}})."
        )
    dtype = str(stated.get("dtype") or _infer_dtype(column, name))
    found: dict[str, Any] = {"nullable": bool(column.isna().any()), **training_attributes(column, dtype)}
    if dtype == "category" and "categories" not in stated:
        found["categories"] = tuple(sorted(map(str, column.dropna().unique())))
    if limits and dtype in ("int", "float") and column.notna().any():
        plain = int if dtype == "int" else float
        found |= {"minimum": plain(column.min()), "maximum": plain(column.max())}
    if dtype == "datetime":
        found |= _time_attributes(column.dropna(), name, stated=stated)
    if not stated.get("pii"):
        found["example"] = _example(column.dropna(), dtype)
    return Field(**{"title": name.replace("_", " ").capitalize(), **found, **stated, "name": name, "dtype": dtype})


def _is_unknown(column: pd.Series[Any]) -> bool:
    """Return whether a column has neither a value nor a type that says what its values would be."""
    from pandas.api import types

    return not column.notna().any() and (
        types.infer_dtype(column, skipna=True) in ("empty", "string")
        or isinstance(column.dtype, types.CategoricalDtype)
    )


def _infer_dtype(column: pd.Series[Any], name: str) -> str:
    from pandas.api import types

    if isinstance(column.dtype, types.CategoricalDtype):
        values = column.dtype.categories.to_series()
        return "category" if types.infer_dtype(values) in ("string", "empty") else _infer_dtype(values, name)
    if types.is_bool_dtype(column):
        return "bool"
    if types.is_integer_dtype(column):
        return "int"
    if types.is_float_dtype(column):
        return "float"
    if types.is_datetime64_any_dtype(column):
        return "datetime"
    kind = types.infer_dtype(column, skipna=True)
    if kind in ("string", "empty"):
        return "category" if column.nunique() <= _MOST_CATEGORIES else "string"
    if kind in ("boolean", "integer"):
        return {"boolean": "bool", "integer": "int"}[kind]
    raise SignatureError(f"Column '{name}' {_held(column)}")


def _held(column: pd.Series[Any]) -> str:
    """Return what a column holds that no field can have, with the remedy."""
    if column.dtype != object:
        return f"is of type '{column.dtype}', which no field can have. Convert it to numbers, booleans, strings or timestamps."
    kinds = sorted({type(value).__name__ for value in column.dropna()})
    if len(kinds) > 1:
        return f"holds values of several types: {', '.join(kinds[:5])}. Convert it to one: .astype(str), or pandas.to_numeric(…)."
    remedies = {
        **dict.fromkeys(("Decimal", "float", "float64", "Fraction"), ".astype(float)"),
        **dict.fromkeys(("date", "datetime", "Timestamp"), "pandas.to_datetime(…)"),
        "bytes": ".str.decode('utf-8')",
    }
    remedy = remedies.get(kinds[0], ".astype(str), or into several columns")
    return f"holds values of type '{kinds[0]}', which no field can have. Convert it: {remedy}."


def _time_attributes(present: pd.Series[Any], name: str, *, stated: Mapping[str, Any]) -> dict[str, str]:
    """Return the time zone of timestamps, or the format of strings, where the values determine it."""
    from pandas.api import types

    found: dict[str, str] = {}
    if types.is_datetime64_any_dtype(present):
        zone = getattr(getattr(present.dtype, "tz", None), "key", None)
        if getattr(present.dtype, "tz", None) is None and not stated.get("timezone"):
            raise SignatureError(
                f"Column '{name}' holds timestamps without a time zone. Name it: "
                f"Signature.infer(…, fields={{'{name}': {{'timezone': 'Europe/Berlin'}}}}), or set it: dt.tz_localize(…)."
            )
        # Local timestamps are often converted to UTC for training: UTC is no evidence for the zone of values without offset.
        if zone not in (None, "UTC", "Etc/UTC"):
            found["timezone"] = zone
    elif "format" not in stated and (written := _format_of(list(map(str, present)), name)):
        found["format"] = written
    return found


def _format_of(strings: Sequence[str], name: str) -> str | None:
    """Return the only format in which all strings are timestamps; None for ISO 8601."""
    from pandas.tseries.api import guess_datetime_format

    if all(_reads(text, None) for text in strings):
        return None
    # "01/02/2024" fits both day first and month first; a later "13/02/2024" decides.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        guesses = {guess_datetime_format(text, dayfirst=first) for text in strings[:1000] for first in (False, True)}
    fitting = sorted(guess for guess in guesses if guess and all(_reads(text, guess) for text in strings))
    if len(fitting) == 1:
        return fitting[0]
    why = f"fit both {' and '.join(fitting)}" if fitting else "are not all written in one format"
    raise SignatureError(
        f"The values of column '{name}' {why}. Give their format: "
        f"Signature.infer(…, fields={{'{name}': {{'dtype': 'datetime', 'format': '%d/%m/%Y'}}}})."
    )


def _reads(text: str, written: str | None) -> bool:
    with suppress(ValueError):
        parse_timestamp(text, Field("time", "datetime", format=written))
        return True
    return False


def _example(present: pd.Series[Any], dtype: str) -> Scalar | None:
    if present.empty:
        return None
    if dtype == "datetime":
        latest = present.max()
        return latest if isinstance(latest, str) else str(latest.isoformat())
    if dtype in ("int", "float"):
        middle = present.quantile(0.5, interpolation="lower")
        return int(middle) if dtype == "int" else float(middle)
    commonest = present.value_counts(sort=True).sort_index(kind="stable").idxmax()
    return bool(commonest) if dtype == "bool" else str(commonest)
