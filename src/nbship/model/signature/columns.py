"""Columns: a mapping of names to arrays, on which a project's features are computed.

The same feature function runs on the training frame, on a million rows and on one row. Array types:

=================  ==================================================
field              array
=================  ==================================================
bool               bool; nullable: float64, null is NaN
int                int64; nullable: float64, null is NaN
float              float64, null is NaN
string, category   object: `str`, null is None
datetime           datetime64[us] in UTC, null is NaT
=================  ==================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from zoneinfo import ZoneInfo

import numpy as np

from ...errors import SignatureError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Codes", "Column", "Columns", "columns_of", "compute", "frame_of", "is_null", "to_local", "with_names"]

Column: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Columns: TypeAlias = Mapping[str, Column]

# Up to this many times, zoneinfo is faster than the import of pandas and the building of an index.
_FEW = 64


@dataclass(frozen=True)
class Codes:
    """A column of strings with few distinct values, dictionary-encoded. `np.asarray` decodes it.

    Attributes
    ----------
    codes
        For each row, the index of its value in `known`.
    known
        The distinct strings, and None as the last entry.

    >>> np.asarray(Codes(np.array([1, 0, 2]), np.array(["a", "b", None])))
    array(['b', 'a', None], dtype=object)
    """

    codes: Column
    known: Column

    def __len__(self) -> int:
        return len(self.codes)

    def taken(self, rows: Any) -> Codes:
        """Return some of the rows."""
        return Codes(self.codes[rows], self.known)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Column:
        return np.asarray(self.known[self.codes], dtype=dtype)


def compute(function: Callable[[Columns], Mapping[str, Column]], columns: Columns) -> Mapping[str, Column]:
    """Call a project's feature function.

    Raises
    ------
    SignatureError
        If the function reads a column that is missing; the message names it.
    """
    try:
        return function(columns)
    except KeyError as error:
        if error.args[:1] and isinstance(error.args[0], str) and error.args[0] not in columns:
            raise SignatureError(
                f"The feature function needs the column '{error.args[0]}', which the rows do not have. "
                "Add it to the rows, and to the signature."
            ) from error
        raise


def columns_of(data: Columns | pd.DataFrame) -> Columns:
    """Return the columns of a frame as arrays; a mapping of arrays is returned unchanged.

    Timestamps must have a time zone, and are converted to UTC.
    """
    if isinstance(data, Mapping):
        return data
    return {str(name): _column(data[name], str(name)) for name in data.columns}


def frame_of(matrix: Column, names: Sequence[str]) -> pd.DataFrame:
    """Return a matrix of shape (rows, fields) as a frame.

    Raises
    ------
    SignatureError
        If the shape does not fit the names.
    """
    import pandas as pd

    if matrix.ndim != 2 or matrix.shape[1] != len(names):
        shape = (
            f"the matrix has {matrix.shape[1]} columns" if matrix.ndim == 2 else f"the array is of shape {matrix.shape}"
        )
        raise SignatureError(
            f"The model takes {len(names)} fields, and {shape}. Give one column for each: {', '.join(names)}."
        )
    return pd.DataFrame(matrix, columns=list(names))


def with_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose columns are named by strings: 0 becomes "0", and ("size", "mm") becomes "size_mm".

    Raises
    ------
    SignatureError
        If two columns have the same name.
    """
    labels: list[Any] = list(frame.columns)
    names = ["_".join(map(str, label)) if isinstance(label, tuple) else str(label) for label in labels]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SignatureError(f"The frame has the column '{twice[0]}' twice. Keep one, or rename it.")
    return frame if names == labels else frame.set_axis(names, axis=1)


def _column(series: pd.Series[Any], name: str) -> Column:
    from pandas.api import types

    if types.is_datetime64_any_dtype(series):
        if getattr(series.dtype, "tz", None) is None:
            raise SignatureError(
                f"Column '{name}' holds timestamps without a time zone. Set one: frame['{name}'].dt.tz_localize(…)."
            )
        utc: Column = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[us]")
        return utc
    if types.is_bool_dtype(series) or types.is_numeric_dtype(series):
        if isinstance(series.dtype, np.dtype):
            wide = {"b": "bool", "i": "int64", "u": "int64"}.get(series.dtype.kind, "float64")
            if series.dtype == np.uint64 and len(series) and series.max() > np.iinfo(np.int64).max:
                wide = "float64"
            return series.to_numpy().astype(wide, copy=False)
        return series.to_numpy(dtype="float64", na_value=np.nan)
    values = series.astype(object).to_numpy(dtype=object, copy=True)
    values[series.isna().to_numpy()] = None
    return values


def is_null(value: Any) -> bool:
    """Return whether a value is None, NaN, NaT or pandas' NA.

    >>> is_null(float("nan")), is_null("")
    (True, False)
    """
    # A comparison with NA is NA, which is neither true nor false.
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)


def to_local(times: Column, zone: str) -> Column:
    """Convert UTC timestamps to the wall-clock time of an IANA zone (datetime64[us], no zone).

    >>> to_local(np.array(["2013-07-01T12:00"], dtype="datetime64[us]"), "America/New_York")
    array(['2013-07-01T08:00:00.000000'], dtype='datetime64[us]')
    """
    if len(times) > _FEW:
        import pandas as pd

        index = pd.DatetimeIndex(times.astype("datetime64[us]")).tz_localize("UTC")
        return index.tz_convert(zone).tz_localize(None).to_numpy().astype("datetime64[us]")
    return np.array([_local(time, ZoneInfo(zone)) for time in times.astype("datetime64[us]")], dtype="datetime64[us]")


def _local(time: np.datetime64, zone: ZoneInfo) -> np.datetime64:
    from datetime import UTC, datetime

    if np.isnat(time):
        return time
    utc = cast("datetime", time.item()).replace(tzinfo=UTC)
    try:
        return np.datetime64(utc.astimezone(zone).replace(tzinfo=None), "us")
    except OverflowError:
        # The wall-clock time lies in the year 0 or 10000, which `datetime` does not have. A day further inside, the
        # offset is the same.
        inside = utc + timedelta(days=1 if utc.year == 1 else -1)
        return time + np.timedelta64(cast("timedelta", inside.astimezone(zone).utcoffset()), "us")
