"""Arrow columns of timestamps and dates as the values of a datetime field: UTC, in microseconds.

The values are those that the same column has as ISO 8601: what is finer than a microsecond is cut off, and years are
1 to 9999, which Python's `datetime` holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import SourceError
from ..model.signature import Field, read_timestamp

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["convert_timestamps"]

_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# The seconds from 1970 at which the years 1 and 10,000 begin.
_FIRST, _END = -62_135_596_800, 253_402_300_800
# No time zone is further from UTC, and pandas looks one day around a time for changes of its offset.
_EDGE = 2 * 86_400
_OUTSIDE = "is too early or too late"


def convert_timestamps(column: pa.ChunkedArray, field: Field) -> tuple[Any, dict[int, str]]:
    """Return the timestamps in UTC, and the reasons for invalid values by position, without those for nulls.

    Raises
    ------
    SourceError
        If neither the column nor the field has a time zone.
    """
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.types as types

    if types.is_date(column.type):
        column = column.cast(pa.timestamp("s" if types.is_date32(column.type) else "ms"))
    if column.type.tz is None and field.timezone is None:
        raise SourceError(
            f"Column '{field.name}' holds times without a zone. Write them with one, or set the field's 'timezone' in the signature."
        )
    counts, ticks = column.cast(pa.int64()).fill_null(0).to_numpy(), _TICKS[column.type.unit]
    seconds, valid = counts // ticks, column.is_valid().to_numpy()
    inside = (seconds >= _FIRST) & (seconds < _END)
    failures = dict.fromkeys(np.flatnonzero(valid & ~inside).tolist(), _OUTSIDE)
    counts = np.where(valid & inside, counts, 0)
    times = (counts * (10**6 // ticks) if ticks <= 10**6 else counts // (ticks // 10**6)).astype("datetime64[us]")
    times[~(valid & inside)] = np.datetime64("NaT")
    if column.type.tz is not None:
        return pd.DatetimeIndex(times).tz_localize("UTC"), failures
    near = valid & inside & ((seconds < _FIRST + _EDGE) | (seconds >= _END - _EDGE))
    local = pd.DatetimeIndex(np.where(near, np.datetime64("NaT"), times))
    found = local.tz_localize(field.timezone, ambiguous="NaT", nonexistent="NaT").tz_convert("UTC")
    lost = np.flatnonzero(np.asarray(found.isna()) & valid & inside & ~near).tolist()
    failures |= dict.fromkeys(lost, f"occurs twice, or never, in {field.timezone}: add an offset")
    utc = found.tz_localize(None).to_numpy(copy=True)
    for position in np.flatnonzero(near).tolist():
        try:
            time = read_timestamp(times[position].item().isoformat(), field)
            utc[position] = np.datetime64(time.replace(tzinfo=None), "us")
        except ValueError as error:
            failures[position] = str(error)
    return pd.DatetimeIndex(utc).tz_localize("UTC"), failures
