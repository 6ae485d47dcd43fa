"""Time zones: departures are local in New York, arrivals are local at the destination."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

__all__ = ["HOME", "ZONES_NOT_LISTED", "local_time"]

HOME = "America/New_York"

# Four destinations have no row in airports.csv: three in Puerto Rico and one in the Virgin Islands.
# Both keep Atlantic Standard Time all year (IANA time zone database, file northamerica).
ZONES_NOT_LISTED: Mapping[str, str] = {
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}

_SECOND = np.timedelta64(1, "s")
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)


def local_time(instants: np.ndarray, *, zone: str = HOME) -> np.ndarray:
    """Return the wall clock time of instants in UTC, to the second.

    Rules of the years 2000 to 2037 are known; outside them the nearest known offset is used.

    >>> local_time(np.array(["2013-01-01T10:15", "2013-07-01T10:15"], dtype="datetime64[s]"))
    array(['2013-01-01T05:15:00', '2013-07-01T06:15:00'],
          dtype='datetime64[s]')
    """
    starts, offsets = _offsets(zone)
    seconds = instants.astype("datetime64[s]")
    local: np.ndarray = seconds + offsets[np.searchsorted(starts, seconds, side="right")]
    return local


@lru_cache
def _offsets(zone: str) -> tuple[np.ndarray, np.ndarray]:
    """Instants at which the zone's offset changes, and the offsets before, between and after them."""
    known = ZoneInfo(zone)
    starts, offsets = [], [_offset(known, _FIRST)]
    day = _FIRST
    while day < _LAST:
        following = day + timedelta(days=1)
        if _offset(known, following) != offsets[-1]:
            starts.append(_change(known, day, following))
            offsets.append(_offset(known, following))
        day = following
    stamps = np.array([int(start.timestamp()) for start in starts], dtype="int64").astype("datetime64[s]")
    return stamps, np.array(offsets) * _SECOND


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    before = _offset(zone, low)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return high


def _offset(zone: ZoneInfo, instant: datetime) -> int:
    shift = instant.astimezone(zone).utcoffset()
    assert shift is not None
    return int(shift.total_seconds())
