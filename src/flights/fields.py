"""The names of the model inputs: a flight's own fields, and looked-up fields."""

from __future__ import annotations

__all__ = ["INPUTS", "KEY", "PLANE", "WEATHER"]

KEY = ("carrier", "flight", "origin", "scheduled_departure")
# A flight's own fields.
INPUTS = ("carrier", "flight", "tailnum", "origin", "dest", "scheduled_departure", "scheduled_arrival")
# Looked-up fields: by origin and hour, and by tail number.
WEATHER = (
    "temperature",
    "dew_point",
    "humidity",
    "wind_direction",
    "wind_speed",
    "wind_gust",
    "precipitation",
    "pressure",
    "visibility",
)
PLANE = ("plane_year", "plane_seats", "plane_engines")
