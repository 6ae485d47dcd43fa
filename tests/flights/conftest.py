"""The real tables, read once."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from flights.extraction import open_raw, read_flights, read_planes, read_weather
from flights.fields import INPUTS, PLANE, WEATHER
from flights.install_data import ROOT
from flights.labels import is_late
from flights.lookups import lookups
from nbship.data.sources import DuckDBSource

if not (ROOT / "data" / "flights.csv").is_file():
    pytest.exit("There is no data/flights.csv. Run `make install`.", returncode=1)


@pytest.fixture(scope="session")
def raw() -> Iterator[DuckDBSource]:
    with open_raw(ROOT / "data") as source:
        yield source


@pytest.fixture(scope="session")
def year(raw: DuckDBSource) -> pd.DataFrame:
    """Every flight of 2013, as extracted."""
    return read_flights(raw, from_date="2013-01-01", to_date="2014-01-01")


@pytest.fixture(scope="session")
def joined(raw: DuckDBSource, year: pd.DataFrame) -> pd.DataFrame:
    """Every flight of 2013 with weather, plane and label, as the model sees them."""
    weather = read_weather(raw, from_date="2013-01-01", to_date="2014-01-01")
    frame = year
    for lookup in lookups(weather, read_planes(raw)):
        frame = lookup.join(frame)
    return frame[[*INPUTS, *WEATHER, *PLANE]].assign(late=is_late(year["arr_delay"].to_numpy()))
