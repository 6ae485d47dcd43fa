"""The label: late by a quarter of an hour, or never."""

from __future__ import annotations

import numpy as np
import pandas as pd

from flights.labels import is_late


def test_fifteen_minutes_are_late_and_never_is_late() -> None:
    assert is_late(np.array([-20.0, 0.0, 14.0, 15.0, 500.0, np.nan])).tolist() == [
        False,
        False,
        False,
        True,
        True,
        True,
    ]


def test_every_flight_without_a_tail_number_never_arrived(year: pd.DataFrame) -> None:
    without = year[year["tailnum"].isna()]
    assert len(without) == 2512
    assert is_late(without["arr_delay"].to_numpy()).all()
