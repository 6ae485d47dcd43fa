"""The model's features: one function over columns, for training and serving, for one row or a million."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .zones import local_time

__all__ = ["CATEGORICAL", "NUMERIC", "features"]

CATEGORICAL = ("carrier", "origin", "dest")
NUMERIC = (
    "departure_hour",
    "weekday",
    "duration",
    "temperature",
    "dew_point",
    "humidity",
    "wind_north",
    "wind_east",
    "wind_speed",
    "wind_gust",
    "precipitation",
    "pressure",
    "visibility",
    "plane_age",
    "plane_seats",
    "plane_engines",
)

_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0


def features(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Compute the features of each row from its own inputs alone.

    Times are in UTC. The weather is that of the hour of scheduled departure. The plane columns are null both
    for an unknown plane and for a flight without a tail number.

    Parameters
    ----------
    columns
        The inputs of the model's signature and its looked up columns, each of shape (n,).

    Returns
    -------
    dict
        `CATEGORICAL` columns as strings and `NUMERIC` columns as float64, each of shape (n,).
    """
    departure = columns["scheduled_departure"].astype("datetime64[s]")
    arrival = columns["scheduled_arrival"].astype("datetime64[s]")
    local = local_time(departure)
    day = local.astype("datetime64[D]")
    wind = np.radians(columns["wind_direction"])
    return {
        **{name: columns[name] for name in CATEGORICAL},
        "departure_hour": (local - day).astype(float) / 3600.0,
        "weekday": (day.astype("int64") + _EPOCH_WEEKDAY) % 7 * 1.0,
        "duration": (arrival - departure).astype(float) / 60.0,
        "temperature": columns["temperature"],
        "dew_point": columns["dew_point"],
        "humidity": columns["humidity"],
        "wind_north": np.cos(wind) * columns["wind_speed"],
        "wind_east": np.sin(wind) * columns["wind_speed"],
        "wind_speed": columns["wind_speed"],
        "wind_gust": columns["wind_gust"],
        "precipitation": columns["precipitation"],
        "pressure": columns["pressure"],
        "visibility": columns["visibility"],
        "plane_age": local.astype("datetime64[Y]").astype(float) + 1970.0 - columns["plane_year"],
        "plane_seats": columns["plane_seats"],
        "plane_engines": columns["plane_engines"],
    }
