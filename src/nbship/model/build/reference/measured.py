"""What is counted of each field: hours of the event time, lengths of time for other timestamps, names for booleans."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...signature import Column, Columns, Field, Signature, to_local

__all__ = ["HOURS", "measure", "zone_of"]

# The hours of a day, as categories. All of them are known: an hour without rows in training is no new value.
HOURS = tuple(f"{hour:02}" for hour in range(24))

_HOUR_NAMES = np.array([*HOURS, None], dtype=object)
_BOOLEANS = np.array(["false", "true", None], dtype=object)
_SECONDS_AN_HOUR = 3600.0


def zone_of(signature: Signature) -> str:
    """Return the time zone in which the days and hours of the event time are counted."""
    field = signature[signature.event_time] if signature.event_time else None
    return (field.timezone if field else None) or "UTC"


def measure(columns: Columns, signature: Signature) -> dict[str, Column]:
    """Return the columns that are counted, by the names of their fields.

    The event time gives its hour in its zone, any other timestamp the hours from the event time to it. Without an event
    time, timestamps are left out.

    Examples
    --------
    >>> signature = Signature((Field("start", "datetime"), Field("end", "datetime")), event_time="start")
    >>> times = np.array(["2013-07-01T12:00", "2013-07-01T15:30"], dtype="datetime64[us]")
    >>> found = measure({"start": times[:1], "end": times[1:]}, signature)
    >>> found["start"].tolist(), found["end"].tolist()
    (['12'], [3.5])
    """
    found = {}
    for field in signature.inputs:
        values = _measured(field, columns, signature)
        if values is not None:
            found[field.name] = values
    return found


def _measured(field: Field, columns: Mapping[str, Column], signature: Signature) -> Column | None:
    values = columns.get(field.name)
    if values is None:
        return None
    if field.dtype == "datetime" and not field.pii:
        return _times(field.name, values, columns, signature)
    if field.dtype == "bool" and values.dtype.kind in "bf":
        return _BOOLEANS[np.where(np.isnan(values), 2, values != 0)]
    return values


def _times(name: str, values: Column, columns: Mapping[str, Column], signature: Signature) -> Column | None:
    if signature.event_time is None:
        return None
    if name == signature.event_time:
        local = to_local(values, zone_of(signature))
        hours = (local - local.astype("datetime64[D]")) // np.timedelta64(1, "h")
        # NaT has no hour.
        return _HOUR_NAMES[np.where(np.isnat(local), 24, hours).astype(np.intp)]
    length = (values - columns[signature.event_time]).astype("timedelta64[us]")
    return np.where(np.isnat(length), np.nan, length.astype(np.float64) / 1e6 / _SECONDS_AN_HOUR)
