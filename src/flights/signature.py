"""The model's signature, with titles and help for forms."""

from __future__ import annotations

from collections.abc import Sequence

from nbship.model import Field, Output, Signature

from .expectations import ORIGINS
from .zones import HOME

__all__ = ["signature"]


def signature(*, carriers: Sequence[str], dests: Sequence[str], threshold: float) -> Signature:
    """Return the model's signature.

    Parameters
    ----------
    carriers, dests
        The codes seen in training; other codes are allowed.
    threshold
        The label is "late" at or above this probability.
    """
    return Signature(
        inputs=(*_flight(carriers, dests), *_weather(), *_plane()),
        outputs=(
            Output("late", "bool", "label", classes=(False, True), threshold=threshold, title="Late or never"),
            Output(
                "probability",
                "float",
                "probability",
                positive=True,
                title="Risk of arriving 15 or more minutes late, or never",
            ),
        ),
        event_time="scheduled_departure",
        relations=("scheduled_departure < scheduled_arrival",),
    )


def _flight(carriers: Sequence[str], dests: Sequence[str]) -> tuple[Field, ...]:
    new_york = "New York time where no offset is given."
    return (
        Field(
            "carrier",
            "category",
            categories=tuple(carriers),
            open=True,
            key=True,
            title="Airline",
            help="Two-character code of the carrier.",
            example="UA",
        ),
        Field("flight", "int", minimum=1, maximum=9999, key=True, title="Flight number", example=1545),
        Field(
            "tailnum",
            "string",
            nullable=True,
            title="Tail number",
            help="Registration of the plane, if known: age, seats and engines are looked up by it.",
            example="N14228",
        ),
        Field(
            "origin",
            "category",
            categories=ORIGINS,
            key=True,
            title="From",
            help="Newark, John F. Kennedy or LaGuardia.",
            example="EWR",
        ),
        Field(
            "dest",
            "category",
            categories=tuple(dests),
            open=True,
            title="To",
            help="Airport code of the destination.",
            example="IAH",
        ),
        Field(
            "scheduled_departure",
            "datetime",
            key=True,
            timezone=HOME,
            title="Scheduled departure",
            help=new_york,
            example="2013-07-01T17:15:00-04:00",
        ),
        Field(
            "scheduled_arrival",
            "datetime",
            timezone=HOME,
            title="Scheduled arrival",
            help=f"{new_york} Timetables show the destination's clock.",
            example="2013-07-01T21:05:00-04:00",
        ),
    )


def _weather() -> tuple[Field, ...]:
    what = "At the departure airport in the hour of scheduled departure."
    rows = (
        ("temperature", "Temperature", "°F", -40, 130, 77.0),
        ("dew_point", "Dew point", "°F", -60, 100, 69.1),
        ("humidity", "Relative humidity", "%", 0, 100, 76.5),
        ("wind_direction", "Wind direction", "°", 0, 360, 180.0),
        ("wind_speed", "Wind speed", "mph", 0, 200, 11.5),
        ("wind_gust", "Wind gusts", "mph", 0, 250, 23.0),
        ("precipitation", "Precipitation", "inch", 0, 12, 0.0),
        ("pressure", "Pressure at sea level", "mbar", 870, 1085, 1012.4),
        ("visibility", "Visibility", "miles", 0, 10, 10.0),
    )
    return tuple(_looked_up("weather", *row, help=what) for row in rows)


def _plane() -> tuple[Field, ...]:
    rows = (
        ("plane_year", "Year of manufacture", "", 1930, 2013, 1999),
        ("plane_seats", "Seats", "", 1, 900, 182),
        ("plane_engines", "Engines", "", 1, 8, 2),
    )
    return tuple(_looked_up("planes", *row, help="Of the plane, from the register.") for row in rows)


def _looked_up(
    lookup: str, name: str, title: str, unit: str, minimum: float, maximum: float, example: float, *, help: str
) -> Field:
    return Field(
        name,
        "float",
        nullable=True,
        optional=True,
        lookup=lookup,
        minimum=float(minimum),
        maximum=float(maximum),
        title=title,
        unit=unit,
        help=f"{help} Looked up when left out.",
        example=float(example),
    )
