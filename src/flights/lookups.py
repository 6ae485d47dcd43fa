"""The lookups of a prediction: the weather of the hour of departure, and the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbship.data.lookups import Key, Lookup

from .fields import PLANE, WEATHER

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["lookups"]


def lookups(weather: pd.DataFrame, planes: pd.DataFrame) -> tuple[Lookup, ...]:
    """Return the lookups over these tables, as `prepare` joins them and as the package holds them.

    A flight without a tail number and a plane that is not in the table both get nulls: only flights that
    never left lack a tail number, so distinguishing the two would leak the label.
    """
    hour = Key("scheduled_departure", to="time_hour", floor="h")
    return (
        Lookup("weather", keys=("origin", hour), columns=WEATHER, table=weather),
        Lookup("planes", keys=("tailnum",), columns=PLANE, table=planes),
    )
