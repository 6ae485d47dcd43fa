"""The names of what the model is asked: a flight's own fields, and those that are looked up."""

from __future__ import annotations

__all__ = ["INPUTS", "KEY", "PLANE", "WEATHER"]

KEY = ("carrier", "flight", "origin", "scheduled_departure")
# What is known of a flight by itself.
INPUTS = ("carrier", "flight", "tailnum", "origin", "dest", "scheduled_departure", "scheduled_arrival")
# What is looked up: by origin and hour, and by tail number.
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
