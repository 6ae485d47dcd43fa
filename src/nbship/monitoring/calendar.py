"""Slices by parts of the event time, in the project's time zone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ..errors import MonitoringError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PARTS", "with_slices"]

# The slices that are not inputs.
PARTS = ("year", "month", "week", "weekday", "day", "hour")


def with_slices(frame: pd.DataFrame, slices: Sequence[str], *, zone: ZoneInfo) -> pd.DataFrame:
    """Return the frame with a column for each slice.

    A slice is an input, or else a part of the event time in the project's zone: `year`, `month` (1 to 12), `week`
    (of ISO 8601), `weekday` (1, Monday, to 7), `day` (of the month), `hour`.

    Raises
    ------
    MonitoringError
        If a slice is neither.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"event_time": pd.to_datetime(["2013-07-01T02:30Z"])})
    >>> with_slices(frame, ["month", "hour"], zone=ZoneInfo("America/New_York"))[["month", "hour"]].values.tolist()
    [[6, 22]]
    """
    local = frame["event_time"].dt.tz_convert(zone).dt
    added = {}
    for name in slices:
        if name in frame.columns:
            continue
        if name not in PARTS:
            raise MonitoringError(
                f"Setting 'slices' names '{name}', which is not an input of the model. Use an input, or a part of the event time: {', '.join(PARTS)}."
            )
        if name == "week":
            found = local.isocalendar()["week"]
        else:
            found = local.day_of_week + 1 if name == "weekday" else getattr(local, name)
        added[name] = found.astype("int16")
    return frame.assign(**added)
