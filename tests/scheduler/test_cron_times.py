"""The times of a schedule are those at which Debian's cron would start it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from debian_cron import CRONS, ZONES, changes, runs

from nbship.project import ScheduleSection
from nbship.scheduler import Times
from nbship.scheduler.windows import window_of

DAY = timedelta(days=1)


@pytest.mark.parametrize("name", ZONES)
def test_times_around_clock_changes_are_those_of_cron(name: str) -> None:
    zone = ZoneInfo(name)
    found = changes(zone, 2025)
    assert len(found) >= 2
    for change in found:
        first, last = change - DAY, change + DAY
        for cron in CRONS:
            assert list(Times(cron, zone).between(first, last)) == runs(cron, zone, first, last), (cron, change)


@pytest.mark.parametrize("cron", CRONS)
def test_from_any_start_the_times_are_the_same(cron: str) -> None:
    zone = ZoneInfo("America/New_York")
    times, end = Times(cron, zone), datetime(2025, 11, 3, tzinfo=UTC)
    known = list(times.between(end - 3 * DAY, end))
    for minutes in range(0, 3 * 24 * 60, 211):
        start = end - 3 * DAY + timedelta(minutes=minutes)
        assert list(times.between(start, end)) == [each for each in known if each > start]
        assert times.after(start) == (next(iter(each for each in known if each > start), None) or times.after(end))
        before = [each for each in known if each <= start]
        assert not before or times.before(start) == before[-1]


def test_a_time_that_never_comes_is_none() -> None:
    times = Times("0 0 31 2,4 1-1", ZoneInfo("UTC"))
    assert times.after(datetime(2026, 1, 1, tzinfo=UTC)) is not None  # Mondays: either day field counts
    rare = Times("0 0 29 2 */7", ZoneInfo("UTC"))
    assert rare.after(datetime(2001, 1, 1, tzinfo=UTC)) == datetime(2004, 2, 29, tzinfo=UTC)  # a Sunday


@pytest.mark.parametrize(
    ("window", "scheduled", "first", "last"),
    [
        ("day", "2026-03-01T00:00-05:00", "2026-02-28", "2026-03-01"),
        ("day", "2026-03-01T04:59+00:00", "2026-02-27", "2026-02-28"),  # still February in New York
        ("week", "2026-03-02T00:00-05:00", "2026-02-23", "2026-03-02"),  # a Monday
        ("week", "2026-03-01T23:59-05:00", "2026-02-16", "2026-02-23"),
        ("month", "2026-01-01T00:00-05:00", "2025-12-01", "2026-01-01"),
        ("month", "2026-03-31T12:00-04:00", "2026-02-01", "2026-03-01"),
        ("28 days", "2026-03-09T06:00-04:00", "2026-02-09", "2026-03-09"),
    ],
)
def test_a_window_is_the_last_whole_one_in_the_projects_zone(
    window: str, scheduled: str, first: str, last: str
) -> None:
    schedule = ScheduleSection("monitor", "0 6 * * *", window=window, timezone="Asia/Tokyo")
    found = window_of(schedule, datetime.fromisoformat(scheduled), ZoneInfo("America/New_York"))
    assert found == (date.fromisoformat(first), date.fromisoformat(last))
