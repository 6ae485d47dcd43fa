"""A window of time: from inclusive, to exclusive, in the project's time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ..errors import MonitoringError

__all__ = ["Window", "days_over", "end_of_today", "last_whole_month", "parse_window", "whole_windows"]


@dataclass(frozen=True)
class Window:
    """An interval of event time.

    Attributes
    ----------
    start, end
        The first instant of the window and the first instant after it, in the project's time zone.
    """

    start: datetime
    end: datetime

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the window's days, months and hours."""
        assert isinstance(self.start.tzinfo, ZoneInfo)
        return self.start.tzinfo

    @property
    def name(self) -> str:
        """The name of the report's folder.

        >>> parse_window("2013-07-01", "2013-08-01", zone=ZoneInfo("UTC")).name
        '2013-07-01_2013-08-01'
        """
        return f"{self.first}_{self.last}".replace(":", "")

    @property
    def first(self) -> str:
        """The start as a string: a date if it is midnight, else the local time."""
        return _text(self.start)

    @property
    def last(self) -> str:
        """The end as a string."""
        return _text(self.end)

    @property
    def days(self) -> list[date]:
        """The local days that the window touches."""
        final = (self.end.replace(tzinfo=None) - timedelta(microseconds=1)).date()
        return [self.start.date() + timedelta(days=k) for k in range((final - self.start.date()).days + 1)]


def days_over(window: Window, *, now: datetime | None = None) -> int:
    """Return how many days of a window are over. The day of `now` (None: the current time) and later ones are not.

    >>> week = parse_window("2024-03-04", "2024-03-11", zone=ZoneInfo("UTC"))
    >>> days_over(week, now=datetime.fromisoformat("2024-03-06T12:00+00:00"))
    2
    >>> days_over(week, now=datetime.fromisoformat("2025-01-01T12:00+00:00"))
    7
    """
    today = (now or datetime.now(window.zone)).astimezone(window.zone).date()
    return min(max((today - window.start.date()).days, 0), len(window.days))


def parse_window(first: str, last: str, *, zone: ZoneInfo) -> Window:
    """Read a window from two dates, or local times, of ISO 8601.

    Raises
    ------
    MonitoringError
        If one is not a date or time, or the window does not end after it starts.

    Examples
    --------
    >>> window = parse_window("2013-07-01", "2013-07-02T12:00", zone=ZoneInfo("America/New_York"))
    >>> window.start.isoformat(), window.name
    ('2013-07-01T00:00:00-04:00', '2013-07-01_2013-07-02T1200')
    """
    window = Window(start=_instant(first, zone), end=_instant(last, zone))
    if window.end <= window.start:
        raise MonitoringError(
            f"The window from '{first}' to '{last}' is empty. Give a 'to' later than 'from'; the window ends just before 'to'."
        )
    return window


def end_of_today(zone: ZoneInfo, *, now: datetime | None = None) -> datetime:
    """Return the end of the current day. Later events, often mistyped dates, do not choose a window.

    >>> end_of_today(ZoneInfo("America/New_York"), now=datetime.fromisoformat("2013-08-01T03:00+00:00")).isoformat()
    '2013-08-01T00:00:00-04:00'
    """
    today = (now or datetime.now(zone)).astimezone(zone).date()
    return datetime.combine(today + timedelta(days=1), time(), tzinfo=zone)


def last_whole_month(latest: datetime, *, zone: ZoneInfo) -> Window:
    """Return the last calendar month that ended at or before the day after an event.

    An event on the month's last day completes the month.

    Raises
    ------
    MonitoringError
        If the calendar has no such month.

    Examples
    --------
    >>> last_whole_month(datetime(2013, 8, 20, tzinfo=ZoneInfo("UTC")), zone=ZoneInfo("UTC")).name
    '2013-07-01_2013-08-01'
    >>> last_whole_month(datetime(2013, 8, 31, 9, tzinfo=ZoneInfo("UTC")), zone=ZoneInfo("UTC")).name
    '2013-08-01_2013-09-01'
    """
    try:
        following = latest.astimezone(zone).date() + timedelta(days=1)
        end = following.replace(day=1)
        start = (end - timedelta(days=1)).replace(day=1)
    except OverflowError as error:
        raise MonitoringError(
            f"No whole month ended by the latest event, {latest:%Y-%m-%d}. Choose a window with --from and --to."
        ) from error
    return parse_window(start.isoformat(), end.isoformat(), zone=zone)


def whole_windows(window: Window, length: str) -> list[Window]:
    """Return the whole days, weeks (from Monday) or months in a window, oldest first.

    Parameters
    ----------
    length
        "day", "week" or "month".

    Examples
    --------
    >>> quarter = parse_window("2024-01-10", "2024-04-01", zone=ZoneInfo("UTC"))
    >>> [each.name for each in whole_windows(quarter, "month")]
    ['2024-02-01_2024-03-01', '2024-03-01_2024-04-01']
    >>> whole_windows(quarter, "week")[0].name
    '2024-01-15_2024-01-22'
    """
    start = window.start.date() if window.start.time() == time() else window.start.date() + timedelta(days=1)
    if length == "week":
        start += timedelta(days=-start.weekday() % 7)
    elif length == "month" and start.day > 1:
        start = _next(start, length)
    found = []
    while (end := _next(start, length)) <= window.end.replace(tzinfo=None).date():
        found.append(parse_window(start.isoformat(), end.isoformat(), zone=window.zone))
        start = end
    return found


def _next(day: date, length: str) -> date:
    if length == "month":
        return (day.replace(day=1) + timedelta(days=31)).replace(day=1)
    return day + timedelta(days={"day": 1, "week": 7}[length])


def _instant(text: str, zone: ZoneInfo) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise MonitoringError(f"'{text}' is not a date. Write it as year-month-day, such as '2013-07-01'.") from error
    return found.astimezone(zone) if found.tzinfo else found.replace(tzinfo=zone)


def _text(instant: datetime) -> str:
    local = instant.replace(tzinfo=None)
    if local.time() == time():
        return local.date().isoformat()
    return local.isoformat(timespec="auto" if local.microsecond else "seconds" if local.second else "minutes")
