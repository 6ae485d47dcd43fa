"""The extracted flights are those of the window, with the times that airports' clocks show."""

from __future__ import annotations

import pandas as pd
import pytest

from flights.extraction import read_flights, read_weather
from flights.zones import HOME, ZONES_NOT_LISTED
from nbship.data.sources import DuckDBSource


def test_the_window_is_of_new_york_dates_from_inclusive_to_exclusive(raw: DuckDBSource) -> None:
    march = read_flights(raw, from_date="2013-03-10", to_date="2013-03-12")
    local = march["scheduled_departure"].dt.tz_convert(HOME)
    assert sorted({str(day) for day in local.dt.date}) == ["2013-03-10", "2013-03-11"]


def test_adjacent_windows_neither_lose_nor_duplicate_a_flight(raw: DuckDBSource, year: pd.DataFrame) -> None:
    halves = [("2013-01-01", "2013-07-01"), ("2013-07-01", "2014-01-01")]
    parts = [read_flights(raw, from_date=begin, to_date=end) for begin, end in halves]
    assert sum(map(len, parts)) == len(year) == 336_776


def test_scheduled_departure_is_the_clock_of_new_york(raw: DuckDBSource, year: pd.DataFrame) -> None:
    clock = raw.query("SELECT carrier, flight, origin, year, month, day, sched_dep_time FROM flights").to_pandas()
    local = year["scheduled_departure"].dt.tz_convert(HOME).dt
    ours = year.assign(year=local.year, month=local.month, day=local.day, ours=local.hour * 100 + local.minute)
    both = ours.merge(clock, on=["carrier", "flight", "origin", "year", "month", "day"], validate="one_to_one")
    assert len(both) == len(year)
    assert (both["ours"] == both["sched_dep_time"]).all()


@pytest.mark.parametrize(
    ("dest", "zone"),
    [
        ("LAX", "America/Los_Angeles"),
        ("PHX", "America/Phoenix"),
        ("HNL", "Pacific/Honolulu"),
        ("SJU", "America/Puerto_Rico"),
        ("STT", "America/St_Thomas"),
    ],
)
def test_scheduled_arrival_is_the_clock_of_the_destination(
    raw: DuckDBSource, year: pd.DataFrame, dest: str, zone: str
) -> None:
    query = "SELECT carrier, flight, origin, month, day, sched_arr_time FROM flights WHERE dest = $dest"
    clock = raw.query(query, {"dest": dest}).to_pandas()
    there = year[year["dest"] == dest]
    departure, arrival = (
        there["scheduled_departure"].dt.tz_convert(HOME).dt,
        there["scheduled_arrival"].dt.tz_convert(zone).dt,
    )
    ours = there.assign(month=departure.month, day=departure.day, ours=arrival.hour * 100 + arrival.minute)
    both = ours.merge(clock, on=["carrier", "flight", "origin", "month", "day"], validate="one_to_one")
    assert len(both) == len(there) > 0
    assert (both["ours"] == both["sched_arr_time"]).all()


def test_every_flight_takes_a_possible_time(year: pd.DataFrame) -> None:
    hours = (year["scheduled_arrival"] - year["scheduled_departure"]).dt.total_seconds() / 3600
    assert hours.min() > 0.5
    assert hours.max() < 12
    # A zone that is an hour off would show on a route, summer or winter.
    routes = year.assign(hours=hours).groupby("dest")[["distance", "hours"]].median()
    expected = 0.75 + routes["distance"] / 460
    assert (routes["hours"] - expected).abs().max() < 1


def test_only_the_destinations_without_a_row_are_in_the_small_table(raw: DuckDBSource) -> None:
    query = "SELECT DISTINCT dest FROM flights WHERE dest NOT IN (SELECT faa FROM airports WHERE tzone IS NOT NULL)"
    assert set(raw.query(query).to_pandas()["dest"]) == set(ZONES_NOT_LISTED)


def test_rows_come_in_one_order(raw: DuckDBSource, year: pd.DataFrame) -> None:
    key = ["scheduled_departure", "carrier", "flight", "origin", "dest"]
    pd.testing.assert_frame_equal(year, year.sort_values(key, kind="stable").reset_index(drop=True))
    weather = read_weather(raw, from_date="2013-02-01", to_date="2013-02-08")
    assert not weather.duplicated(["origin", "time_hour"]).any()
