"""The window of time that a run is for: whole days before its scheduled time, in the project's time zone."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from ..project import ScheduleSection

__all__ = ["window_of"]


def window_of(schedule: ScheduleSection, scheduled: datetime, zone: ZoneInfo) -> tuple[date, date] | None:
    """Return the first day of a run's window and the first day after it; None for a schedule without a window.

    It depends on the scheduled time alone, so a run that is late or repeated has the same window.

    Examples
    --------
    >>> schedule = ScheduleSection("monitor", "0 6 * * MON", window="week")
    >>> [str(day) for day in window_of(schedule, datetime(2026, 1, 7, 6, tzinfo=ZoneInfo("UTC")), ZoneInfo("UTC"))]
    ['2025-12-29', '2026-01-05']
    """
    if not schedule.window:
        return None
    today = scheduled.astimezone(zone).date()
    if schedule.window == "month":
        end = today.replace(day=1)
        return (end - timedelta(days=1)).replace(day=1), end
    if schedule.window == "week":
        end = today - timedelta(days=today.weekday())
        return end - timedelta(days=7), end
    return today - timedelta(days=schedule.window_days or 1), today
