"""Read windows of the raw tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nbship.data.sources import DuckDBSource, Source

from . import queries

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RAW", "open_raw", "read_flights", "read_planes", "read_weather"]

RAW = ("flights", "weather", "planes", "airports")


def open_raw(files: Mapping[str, Path] | Path) -> DuckDBSource:
    """Open the raw tables: a mapping of their names to CSV files, or the folder that holds them."""
    tables = {name: files / f"{name}.csv" for name in RAW} if isinstance(files, Path) else dict(files)
    return DuckDBSource(tables=tables, null=queries.NULL)


def read_flights(source: Source, *, from_date: str, to_date: str) -> pd.DataFrame:
    """Return the flights scheduled to leave in a window of New York dates, with their delays."""
    frame: pd.DataFrame = source.query(queries.FLIGHTS, {"from_date": from_date, "to_date": to_date}).to_pandas()
    return frame


def read_weather(source: Source, *, from_date: str, to_date: str) -> pd.DataFrame:
    """Return the hourly weather at the three airports in a window of New York dates."""
    frame: pd.DataFrame = source.query(queries.WEATHER, {"from_date": from_date, "to_date": to_date}).to_pandas()
    return frame


def read_planes(source: Source) -> pd.DataFrame:
    """Return the register of planes."""
    frame: pd.DataFrame = source.query(queries.PLANES).to_pandas()
    return frame
