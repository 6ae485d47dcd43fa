"""Which window comes next, and whether windows overlap."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from ..sources import DataWindow, DeclaredSource

__all__ = ["next_window", "overlapping"]

_DAY = timedelta(days=1)


def next_window(source: DeclaredSource, held: Iterable[DataWindow], *, now: datetime) -> DataWindow | None:
    """Return the window after the last one that is held, or the last that is over; None if it is not over yet.

    Its length is the source's `window`: such as a day, a week from Monday, or a month of the calendar.
    """
    today = now.astimezone(source.zone).date()
    last = max((window.to for window in held), default=None)
    length = source.settings.window
    if last is None:
        end = _begin(today, length)
        return DataWindow(_before(end, length), end, source.zone)
    end = _after(last, length)
    return DataWindow(last, end, source.zone) if end <= today else None


def overlapping(window: DataWindow, held: Iterable[DataWindow]) -> DataWindow | None:
    """Return a window that has some of the days of another one, and is not the same; None if there is none."""
    others = (each for each in held if (each.first, each.to) != (window.first, window.to))
    return next((each for each in others if each.first < window.to and window.first < each.to), None)


def _begin(day: date, length: str) -> date:
    """Return the first day of the day, week or month of a day."""
    if length == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if length == "month" else day


def _before(end: date, length: str) -> date:
    if length == "month":
        return (end - _DAY).replace(day=1)
    return end - _days(length)


def _after(first: date, length: str) -> date:
    if length == "month":
        return (first.replace(day=28) + 4 * _DAY).replace(day=1)
    return first + _days(length)


def _days(length: str) -> timedelta:
    return timedelta(days={"day": 1, "week": 7}.get(length) or int(length.split()[0]))
