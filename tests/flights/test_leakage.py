"""No feature leaks the label, and the check finds features that do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from flights.features import features
from flights.labels import AFTER_DEPARTURE
from flights.leakage import find_leaks
from nbship.data.sources import DuckDBSource
from nbship.model import columns_of


@pytest.fixture(scope="module")
def table(joined: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(features(columns_of(joined.drop(columns="late"))))


def test_no_feature_of_the_model_separates_the_label(table: pd.DataFrame, joined: pd.DataFrame) -> None:
    assert find_leaks(table, joined["late"].to_numpy()) == []


def test_no_input_separates_the_label_except_the_tail_number(joined: pd.DataFrame) -> None:
    weather_and_plane = joined.drop(columns=["late", "scheduled_departure", "scheduled_arrival", "tailnum"])
    assert find_leaks(weather_and_plane, joined["late"].to_numpy()) == []


@pytest.mark.parametrize("column", AFTER_DEPARTURE)
def test_a_column_known_after_departure_is_found(raw: DuckDBSource, column: str) -> None:
    late = "arr_delay IS NULL OR arr_delay >= 15"
    frame = raw.query(f"SELECT {column}, {late} AS late FROM flights").to_pandas()
    leaks = find_leaks(frame[[column]], frame["late"].to_numpy())
    assert leaks
    assert {leak.feature for leak in leaks} == {column}


def test_a_column_known_after_departure_is_found_when_its_gaps_are_filled(raw: DuckDBSource) -> None:
    query = "SELECT coalesce(dep_delay, 0) AS dep_delay, arr_delay IS NULL OR arr_delay >= 15 AS late FROM flights"
    frame = raw.query(query).to_pandas()
    assert find_leaks(frame[["dep_delay"]], frame["late"].to_numpy())


def test_the_tail_numbers_being_missing_is_found_however_it_is_written(joined: pd.DataFrame) -> None:
    late = joined["late"].to_numpy()
    missing = joined["tailnum"].isna()
    assert missing.sum() == 2512
    for column in (joined["tailnum"], missing.astype(float), missing.map({True: "none", False: "some"})):
        leaks = find_leaks(column.to_frame("tail"), late)
        assert any(leak.rate == 1.0 and leak.rows == 2512 for leak in leaks)


def test_a_plane_column_that_marks_missing_tail_numbers_is_found(joined: pd.DataFrame) -> None:
    marked = joined["plane_seats"].fillna(0).mask(joined["tailnum"].isna(), -1.0)
    leaks = find_leaks(marked.to_frame("plane_seats"), joined["late"].to_numpy())
    assert [(leak.group, leak.rate) for leak in leaks if leak.rate == 1.0] == [("= -1.0", 1.0)]


def test_a_small_group_is_not_a_leak() -> None:
    rng = np.random.default_rng(5)
    late = rng.random(20_000) < 0.3
    rare = np.where(np.arange(20_000) < 400, "rare", "common")
    late[:400] = True
    assert find_leaks(pd.DataFrame({"kind": rare}), late) == []
    assert find_leaks(pd.DataFrame({"kind": rare}), late, min_rows=400)[0].group == "= rare"
