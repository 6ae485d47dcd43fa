from __future__ import annotations

import doctest
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from nbship.errors import MonitoringError
from nbship.monitoring import verdict, window
from nbship.monitoring.window import last_whole_month, parse_window

NEW_YORK = ZoneInfo("America/New_York")


def test_a_window_is_read_in_the_projects_time_zone() -> None:
    found = parse_window("2013-07-01", "2013-08-01", zone=NEW_YORK)
    assert found.start.astimezone(UTC) == datetime(2013, 7, 1, 4, tzinfo=UTC)
    assert found.end.astimezone(UTC) == datetime(2013, 8, 1, 4, tzinfo=UTC)
    assert (found.days[0], found.days[-1], len(found.days)) == (date(2013, 7, 1), date(2013, 7, 31), 31)


def test_a_time_with_an_offset_is_that_instant() -> None:
    found = parse_window("2013-07-01T04:00+00:00", "2013-07-02T00:00", zone=NEW_YORK)
    assert found.name == "2013-07-01_2013-07-02"


def test_a_window_over_a_change_of_clocks_has_every_day_once() -> None:
    assert len(parse_window("2013-11-01", "2013-12-01", zone=NEW_YORK).days) == 30
    assert len(parse_window("2013-03-01", "2013-04-01", zone=NEW_YORK).days) == 31


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        ("2013-08-01", "2013-07-01", "is empty"),
        ("2013-07-01", "2013-07-01", "is empty"),
        ("yesterday", "2013-07-01", "'yesterday' is not a date"),
        ("2013-07-01", "2013-02-30", "'2013-02-30' is not a date"),
        ("", "2013-02-28", "'' is not a date"),
    ],
)
def test_an_invalid_window_is_an_error_of_one_sentence(first: str, last: str, message: str) -> None:
    with pytest.raises(MonitoringError, match=message):
        parse_window(first, last, zone=NEW_YORK)


def test_the_last_whole_month_is_in_local_time() -> None:
    # 03:00 UTC on the first of August is still July in New York.
    assert last_whole_month(datetime(2013, 8, 1, 3, tzinfo=UTC), zone=NEW_YORK).name == "2013-07-01_2013-08-01"
    assert last_whole_month(datetime(2013, 7, 30, 3, tzinfo=UTC), zone=NEW_YORK).name == "2013-06-01_2013-07-01"
    assert last_whole_month(datetime(2014, 1, 5, tzinfo=UTC), zone=NEW_YORK).name == "2013-12-01_2014-01-01"


@pytest.mark.parametrize("latest", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)])
def test_an_event_at_the_end_of_the_calendar_has_no_month(latest: datetime) -> None:
    with pytest.raises(MonitoringError, match=f"by the latest event, 0*{latest.year}-.* Choose a window with --from"):
        last_whole_month(latest, zone=ZoneInfo("Asia/Tokyo") if latest.year > 1 else NEW_YORK)


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(window).failed == 0
    assert doctest.testmod(verdict).failed == 0
