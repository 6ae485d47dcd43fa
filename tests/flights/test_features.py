"""Features: the same for one row and for many, on New York's clock, and quick."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from flights.features import CATEGORICAL, NUMERIC, features
from flights.labels import AFTER_DEPARTURE
from flights.zones import HOME, local_time
from nbship.model import columns_of


def test_the_names_are_those_that_the_model_relies_on(joined: pd.DataFrame) -> None:
    found = features(columns_of(joined.head(3)))
    assert tuple(found) == (*CATEGORICAL, *NUMERIC)


def test_a_row_alone_has_the_features_that_it_has_among_many(joined: pd.DataFrame) -> None:
    rows = joined.sample(500, random_state=1).reset_index(drop=True)
    columns = columns_of(rows)
    together = features(columns)
    for position in range(len(rows)):
        alone = features({name: values[position : position + 1] for name, values in columns.items()})
        for name, values in alone.items():
            np.testing.assert_array_equal(values, together[name][position : position + 1])


def test_the_hour_is_new_yorks_in_winter_and_in_summer() -> None:
    instants = pd.to_datetime(["2013-01-15T17:30Z", "2013-07-15T16:30Z"]).tz_localize(None).to_numpy()
    assert local_time(instants).astype(str).tolist() == ["2013-01-15T12:30:00", "2013-07-15T12:30:00"]


@pytest.mark.parametrize("zone", [HOME, "America/Phoenix", "Europe/Berlin", "UTC"])
def test_local_times_are_those_of_the_time_zone_database(zone: str) -> None:
    hours = pd.date_range("2004-01-01", "2037-12-31", freq="3h", tz="UTC")
    expected = hours.tz_convert(zone).tz_localize(None).to_numpy().astype("datetime64[s]")
    np.testing.assert_array_equal(local_time(hours.tz_localize(None).to_numpy(), zone=zone), expected)


def test_no_tail_number_and_an_unknown_plane_look_the_same(joined: pd.DataFrame) -> None:
    without = joined[joined["tailnum"].isna()].head(1)
    unknown = without.assign(tailnum="N0NAME")
    ours, theirs = features(columns_of(without)), features(columns_of(unknown))
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name])


def test_nothing_known_after_departure_is_read(joined: pd.DataFrame) -> None:
    assert not set(AFTER_DEPARTURE) & set(joined)
    read: set[str] = set()

    class Watching(dict[str, np.ndarray]):
        def __getitem__(self, name: str) -> np.ndarray:
            read.add(name)
            return super().__getitem__(name)

    features(Watching(columns_of(joined.head(2))))
    assert "tailnum" not in read
    assert not read & set(AFTER_DEPARTURE)


def calls_of(function: Callable[[], object]) -> int:
    """Return how many functions are called, in Python and in C."""
    count = 0

    def note(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def test_a_row_takes_few_calls_and_a_thousand_take_no_more(joined: pd.DataFrame) -> None:
    """Beyond these calls NumPy works on whole columns: a row takes microseconds (`python -m benchmarks one_row`)."""
    one, many = columns_of(joined.head(1)), columns_of(joined.head(1000))
    features(one)
    assert calls_of(lambda: features(many)) == calls_of(lambda: features(one)) < 60
