"""The times of a schedule, by the rules of Debian's cron, in a time zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from zoneinfo import ZoneInfo

from cronsim import CronSim

__all__ = ["Times"]

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
# The 29th of February of a year with a certain weekday comes at least every 40 years.
_MOST_DAYS = 366 * 41
_CACHED_DAYS = 40


class Times:
    """The instants at which cron would start a job.

    A job with a `*` at the start of its minutes or hours runs whenever the clock of the zone shows such a time. Other
    jobs have fixed times, which count once: the first of two equal times in autumn, and the first minute after the gap in
    spring for the times inside it::

        30 1 * * *     autumn: 01:30 (first) ────── 01:30 (second, left out)
        30 2 * * *     spring: 01:59 ──────┐ 03:00 (for 02:30)
        */30 * * * *   both:   every half hour that passes

    cronsim reads the fields and matches the days. Its own iteration loses times on days whose midnight is in the gap, and
    where clocks change by half an hour.

    Examples
    --------
    >>> times = Times("30 6 * * MON", ZoneInfo("America/New_York"))
    >>> times.after(datetime(2026, 1, 1, tzinfo=UTC)).isoformat()
    '2026-01-05T11:30:00+00:00'
    """

    def __init__(self, cron: str, zone: ZoneInfo) -> None:
        self._fields = CronSim(cron, datetime(2024, 1, 1, tzinfo=UTC))
        minute, hour, *_ = cron.split()
        self._is_fixed = not minute.startswith("*") and not hour.startswith("*")
        self._clocks = [time(h, m) for h, m in product(sorted(self._fields.hours), sorted(self._fields.minutes))]
        self._zone = zone
        self._days: dict[date, list[datetime]] = {}

    def after(self, instant: datetime) -> datetime | None:
        """Return the first time after an instant, in UTC; None if there is none within 41 years."""
        return next(self._later(instant, _MOST_DAYS), None)

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Yield the times after `start` up to `end`, in UTC, in order."""
        for instant in self._later(start, (end - start).days + 3):
            if instant > end:
                return
            yield instant

    def before(self, instant: datetime) -> datetime | None:
        """Return the last time at or before an instant, in UTC."""
        local = instant.astimezone(self._zone).date()
        for days in range(_MOST_DAYS):
            found = [each for each in self._on(local - days * _DAY) if each <= instant]
            if found:
                return found[-1]
        return None

    def _later(self, start: datetime, days: int) -> Iterator[datetime]:
        day = start.astimezone(self._zone).date() - _DAY
        last = start
        for number in range(days):
            for instant in self._on(day + number * _DAY):
                # A gap at midnight moves times to the next day, which may have them too.
                if instant > last:
                    yield instant
                    last = instant

    def _on(self, day: date) -> list[datetime]:
        """Return the instants of one day of the zone's calendar, in order. A service asks for the same days again and again."""
        if day not in self._days:
            if len(self._days) >= _CACHED_DAYS:
                self._days.clear()
            self._days[day] = self._computed(day)
        return self._days[day]

    def _computed(self, day: date) -> list[datetime]:
        if day.month not in self._fields.months or not self._fields.match_day(day):
            return []
        walls = [datetime.combine(day, clock) for clock in self._clocks]
        if self._is_fixed:
            return sorted({self._first(wall) for wall in walls})
        both = (wall.replace(tzinfo=self._zone, fold=fold) for wall in walls for fold in (0, 1))
        return sorted({each.astimezone(UTC) for each in both if self._is_shown(each)})

    def _first(self, wall: datetime) -> datetime:
        """Return the first instant at which the clock shows a time or, if it never does, the first one after the gap."""
        local = wall.replace(tzinfo=self._zone)
        while not self._is_shown(local):
            local += _MINUTE
        return local.astimezone(UTC)

    def _is_shown(self, local: datetime) -> bool:
        return local.astimezone(UTC).astimezone(self._zone).replace(tzinfo=None) == local.replace(tzinfo=None)
