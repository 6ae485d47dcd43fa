"""The expectations of the extracted tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbship.data.schema import Check, Column, Table

from .zones import HOME

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ORIGINS", "flights", "planes", "weather"]

ORIGINS = ("EWR", "JFK", "LGA")


def flights(*, from_date: str, to_date: str, max_bad_share: float = 0.001) -> Table:
    """Return the expectations of the flights of a window of New York dates (to exclusive)."""
    import pandas as pd

    # The last instant of the window: `Column.maximum` is inclusive.
    last = pd.Timestamp(to_date, tz=HOME) - pd.Timedelta(minutes=1)
    return Table(
        "flights",
        {
            "carrier": Column("string"),
            "flight": Column("integer", minimum=1, maximum=9999),
            "tailnum": Column("string", nullable=True),
            "origin": Column("string", categories=ORIGINS),
            "dest": Column("string"),
            "scheduled_departure": Column("timestamp", minimum=pd.Timestamp(from_date, tz=HOME), maximum=last),
            "scheduled_arrival": Column("timestamp"),
            "distance": Column("integer", minimum=1, maximum=6000),
            "dep_delay": Column("integer", nullable=True, minimum=-120, maximum=3000),
            "arr_delay": Column("integer", nullable=True, minimum=-180, maximum=3000),
        },
        key=("carrier", "flight", "origin", "scheduled_departure"),
        checks=(
            Check("arrives 30 minutes to 14 hours after its departure", _takes_possible_time),
            Check("did not arrive if it never left", _arrived_only_if_it_left),
        ),
        max_bad_share=max_bad_share,
    )


def weather(*, max_bad_share: float = 0.001) -> Table:
    """Return the expectations of the hourly weather; units are those of the source (°F, mph, inches, millibars, miles)."""
    return Table(
        "weather",
        {
            "origin": Column("string", categories=ORIGINS),
            "time_hour": Column("timestamp"),
            "temperature": Column("number", nullable=True, minimum=-40, maximum=130),
            "dew_point": Column("number", nullable=True, minimum=-60, maximum=100),
            "humidity": Column("number", nullable=True, minimum=0, maximum=100),
            "wind_direction": Column("number", nullable=True, minimum=0, maximum=360),
            "wind_speed": Column("number", nullable=True, minimum=0, maximum=200),
            "wind_gust": Column("number", nullable=True, minimum=0, maximum=250),
            "precipitation": Column("number", nullable=True, minimum=0, maximum=12),
            "pressure": Column("number", nullable=True, minimum=870, maximum=1085),
            "visibility": Column("number", nullable=True, minimum=0, maximum=10),
        },
        key=("origin", "time_hour"),
        checks=(Check("is of a full hour", lambda rows: rows["time_hour"] == rows["time_hour"].dt.floor("h")),),
        max_bad_share=max_bad_share,
    )


def planes(*, max_bad_share: float = 0.001) -> Table:
    """Return the expectations of the register of planes."""
    return Table(
        "planes",
        {
            "tailnum": Column("string"),
            "plane_year": Column("integer", nullable=True, minimum=1930, maximum=2013),
            "plane_seats": Column("integer", nullable=True, minimum=1, maximum=900),
            "plane_engines": Column("integer", nullable=True, minimum=1, maximum=8),
        },
        key=("tailnum",),
        max_bad_share=max_bad_share,
    )


def _takes_possible_time(rows: pd.DataFrame) -> Any:
    minutes = (rows["scheduled_arrival"] - rows["scheduled_departure"]).dt.total_seconds() / 60
    return minutes.between(30, 14 * 60)


def _arrived_only_if_it_left(rows: pd.DataFrame) -> Any:
    return rows["arr_delay"].isna() | rows["dep_delay"].notna()
