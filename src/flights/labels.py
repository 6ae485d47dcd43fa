"""The label: late by a quarter of an hour or more, or never arrived."""

from __future__ import annotations

import numpy as np

__all__ = ["AFTER_DEPARTURE", "LATE_MINUTES", "is_late"]

LATE_MINUTES = 15

# Known only after the scheduled departure: never features.
AFTER_DEPARTURE = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")


def is_late(arr_delay: np.ndarray) -> np.ndarray:
    """Return whether flights arrived `LATE_MINUTES` or more late, or never (delay not known).

    >>> is_late(np.array([-3.0, 14.0, 15.0, np.nan])).tolist()
    [False, False, True, True]
    """
    delays = np.asarray(arr_delay, dtype=float)
    late: np.ndarray = np.isnan(delays) | (delays >= LATE_MINUTES)
    return late
