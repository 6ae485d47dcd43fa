"""Debian's cron, minute by minute, as its manual pages describe it; an oracle that shares no code with nbship or cronsim.

cron(8): "If the time has moved forwards, those jobs which would have run in the time that was skipped will be run soon
after the change. Conversely, if the time has moved backwards by less than 3 hours, those jobs that fall into the
repeated time will not be re-run. Only jobs that run at a particular time (not specified as @hourly, nor with '*' in the
hour or minute specifier) are affected. Jobs which are specified with wildcards are run based on the new time
immediately. Clock changes of more than 3 hours are considered to be corrections to the clock, and the new time is used
immediately."

crontab(5): "If both fields are restricted (ie, aren't *), the command will be run when either field matches the current
time." A field that starts with '*' is not restricted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

__all__ = ["CRONS", "ZONES", "changes", "runs"]

MINUTE = timedelta(minutes=1)
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

# Clocks change by one hour, half an hour or two hours; at midnight, at one, two, three or four; forward in either half.
ZONES = (
    "America/New_York", "America/St_Johns", "America/Santiago", "America/Havana", "Europe/London", "Europe/Berlin",
    "Africa/Cairo", "Asia/Beirut", "Australia/Lord_Howe", "Antarctica/Troll",
)  # fmt: skip
CRONS = (
    "30 1 * * *", "30 2 * * *", "0 2-4 * * *", "*/15 * * * *", "0 * * * *", "30 * * * *", "*/30 0-3 * * *", "0 0 * * *",
    "15,45 1,2 * * *", "0 0 * * SUN", "*/20 1 * * SUN", "*/30 0 * * SUN", "5 */2 * * *", "59 23 * * *", "0 0 1 * *",
    "0 3 * * 1-5", "30 0-2 * * 7", "10 2 13 * FRI", "1-59/7 2 * * *", "0 12 31 mar,oct *",
)  # fmt: skip


def runs(cron: str, zone: ZoneInfo, first: datetime, last: datetime) -> list[datetime]:
    """The instants after `first`, up to `last`, at which cron would start a job, if it runs all the time."""
    minute, hour, *_ = cron.split()
    fixed = not minute.startswith("*") and not hour.startswith("*")
    found, instant = [], first.replace(second=0, microsecond=0) - timedelta(hours=4)
    latest = _wall(instant, zone)
    while instant <= last:
        wall = _wall(instant, zone)
        # Of fixed times, all wall minutes that are new: mostly one, none in a repeated hour, those of a gap after it.
        is_due = any(matches(cron, each) for each in (_minutes(latest, wall) if fixed else [wall]))
        latest = max(latest, wall)
        if is_due and instant > first:
            found.append(instant)
        instant += MINUTE
    return found


def matches(cron: str, wall: datetime) -> bool:
    """Whether cron runs a job at a minute of the clock."""
    minute, hour, day, month, weekday = cron.split()
    if wall.minute not in _values(minute, 0, 59) or wall.hour not in _values(hour, 0, 23):
        return False
    if wall.month not in _values(month, 1, 12):
        return False
    in_month = wall.day in _values(day, 1, 31)
    number = wall.isoweekday() % 7
    in_week = number in _values(weekday, 0, 7) or (number == 0 and 7 in _values(weekday, 0, 7))
    return in_month and in_week if day[0] == "*" or weekday[0] == "*" else in_month or in_week


def changes(zone: ZoneInfo, year: int) -> list[datetime]:
    """The instants of a year at which the offset of a zone changes."""
    instant, found = datetime(year, 1, 1, tzinfo=UTC), []
    while instant.year == year:
        after = instant + timedelta(minutes=30)
        if instant.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            found.append(after)
        instant = after
    return found


@cache
def _values(field: str, least: int, most: int) -> frozenset[int]:
    found: set[int] = set()
    for part in field.upper().split(","):
        span, _, step = part.partition("/")
        start, _, end = span.partition("-")
        numbers = range(least, most + 1) if span == "*" else range(_number(start), _number(end or start) + 1)
        found.update(numbers[:: int(step or 1)])
    return frozenset(found)


def _number(name: str) -> int:
    if name in MONTHS:
        return MONTHS.index(name) + 1
    return DAYS.index(name) if name in DAYS else int(name)


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def _minutes(before: datetime, until: datetime) -> Iterator[datetime]:
    while before < until:
        before += MINUTE
        yield before
