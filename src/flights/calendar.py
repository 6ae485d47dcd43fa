"""Hours, days and months in New York time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .zones import HOME

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["with_calendar"]


def with_calendar(frame: pd.DataFrame) -> pd.DataFrame:
    """Add `month`, `weekday` (Monday is 0) and `hour` of the scheduled departure, for slices; the features do not use them."""
    local = frame["scheduled_departure"].dt.tz_convert(HOME).dt
    return frame.assign(month=local.month, weekday=local.day_of_week, hour=local.hour)
