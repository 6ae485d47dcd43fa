"""The queries on the raw tables, as SQL with bound parameters.

The window is a range of New York dates, from inclusive, to exclusive. Every result has a total order.
"""

from __future__ import annotations

from .zones import HOME, ZONES_NOT_LISTED

__all__ = ["FLIGHTS", "NULL", "PLANES", "WEATHER", "ZONES"]

# How the raw files write null.
NULL = "NA"

# The time zone of every destination: airports.csv, and the four destinations that it does not list.
ZONES = "\nUNION ALL\n".join(
    ["SELECT faa AS dest, tzone AS zone FROM airports WHERE tzone IS NOT NULL"]
    + [f"SELECT '{airport}' AS dest, '{zone}' AS zone" for airport, zone in sorted(ZONES_NOT_LISTED.items())]
)

# `time_hour` is the UTC hour of the scheduled departure; `sched_arr_time` is the destination's clock (hhmm),
# on the day of departure, or on the next day where it would lie before the departure.
FLIGHTS = f"""
WITH zones AS (
{ZONES}
), departures AS (
    SELECT
        *,
        time_hour::TIMESTAMP + to_minutes("minute"::BIGINT) AS departure,
        make_date("year"::BIGINT, "month"::BIGINT, "day"::BIGINT)
            + to_hours((sched_arr_time // 100)::BIGINT) + to_minutes((sched_arr_time % 100)::BIGINT) AS clock
    FROM flights
), arrivals AS (
    SELECT
        departures.*,
        timezone('UTC', timezone(zone, clock)) AS same_day,
        timezone('UTC', timezone(zone, clock + INTERVAL 1 DAY)) AS next_day
    FROM departures LEFT JOIN zones USING (dest)
)
SELECT
    carrier,
    flight::INTEGER AS flight,
    tailnum,
    origin,
    dest,
    timezone('UTC', departure) AS scheduled_departure,
    timezone('UTC', CASE WHEN same_day > departure THEN same_day ELSE next_day END) AS scheduled_arrival,
    distance::INTEGER AS distance,
    dep_delay::INTEGER AS dep_delay,
    arr_delay::INTEGER AS arr_delay
FROM arrivals
WHERE departure >= timezone('UTC', timezone('{HOME}', $from_date::DATE::TIMESTAMP))
  AND departure < timezone('UTC', timezone('{HOME}', $to_date::DATE::TIMESTAMP))
ORDER BY scheduled_departure, carrier, flight, origin, dest
"""

WEATHER = f"""
SELECT
    origin,
    timezone('UTC', time_hour::TIMESTAMP) AS time_hour,
    temp::DOUBLE AS temperature,
    dewp::DOUBLE AS dew_point,
    humid::DOUBLE AS humidity,
    wind_dir::DOUBLE AS wind_direction,
    wind_speed::DOUBLE AS wind_speed,
    wind_gust::DOUBLE AS wind_gust,
    precip::DOUBLE AS precipitation,
    pressure::DOUBLE AS pressure,
    visib::DOUBLE AS visibility
FROM weather
WHERE time_hour::TIMESTAMP >= timezone('UTC', timezone('{HOME}', $from_date::DATE::TIMESTAMP))
  AND time_hour::TIMESTAMP < timezone('UTC', timezone('{HOME}', $to_date::DATE::TIMESTAMP))
ORDER BY origin, time_hour
"""

PLANES = """
SELECT
    tailnum,
    "year"::DOUBLE AS plane_year,
    seats::DOUBLE AS plane_seats,
    engines::DOUBLE AS plane_engines
FROM planes
ORDER BY tailnum
"""
