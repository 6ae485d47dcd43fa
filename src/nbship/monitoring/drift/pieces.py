"""The pieces of a window, and the past periods of the same length to compare them with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time, timedelta

import numpy as np
from numpy.typing import NDArray

from ...model.build import Periods
from ..window import Window
from .bands import LEAST_PERIODS

__all__ = ["Plan", "plan"]

_WEEK = 7
# A longer window is counted as one block, and has no pieces.
_MOST_DAYS = 4000
# Periods within four weeks of the same date are the same season; the training data must cover a year.
_YEAR, _SEASON = 364, 28
_NAMES = {1: "days", 7: "weeks", 28: "periods of four weeks"}


@dataclass(frozen=True)
class Plan:
    """How a window is judged by the history of the training data.

    Attributes
    ----------
    number
        Days of the window; rows are counted by day.
    pieces
        First day and end of each piece, as day numbers of the window. Together they are the whole window.
    units
        First period and end of each past period of the same length.
    names
        The first day of each piece.
    others
        The units that each unit is compared with, shape (units, units).
    alike
        The units that each piece is compared with, shape (pieces, units).
    length
        The length of pieces and units, in days.
    seasonal
        Whether only units of the same season are compared.
    reason
        Why there is no history; empty if there is.
    """

    number: int
    pieces: tuple[tuple[int, int], ...] = ()
    units: tuple[tuple[int, int], ...] = ()
    names: tuple[str, ...] = ()
    others: NDArray[np.bool_] | None = None
    alike: NDArray[np.bool_] | None = None
    length: int = 0
    seasonal: bool = False
    reason: str = ""

    @property
    def unit_name(self) -> str:
        """The plural of a unit, such as "weeks"."""
        return _NAMES.get(self.length, f"periods of {self.length} days")


def plan(window: Window, periods: Periods | None) -> Plan:
    """Divide a window into pieces, and the training data into periods of the same length.

    A window of a week or longer is judged week by week: the training data have more weeks than months, and a change in one
    week is not averaged away. The last piece is the last seven days of the window, so that pieces overlap where the window
    is not of whole weeks. For example, July has the weeks from the 1st, 8th, 15th, 22nd and 25th. A shorter window is one
    piece.
    """
    days = len(window.days)
    number = days if days <= _MOST_DAYS else 1
    if periods is None:
        return Plan(number, reason="The package does not store how its training data differed between periods; build it again with this nbship.")  # fmt: skip
    if {window.start.timetz().replace(tzinfo=None), window.end.timetz().replace(tzinfo=None)} != {time()}:
        return Plan(number, reason="The window does not start and end at midnight, so no past period is like it.")
    length = min(days, _WEEK) if periods.days == 1 else periods.days
    if days < length or number != days:
        wrong = "shorter" if days < length else "much longer"
        return Plan(number, reason=f"The window is {wrong} than the periods of the training data ({_NAMES[periods.days]}).")  # fmt: skip
    step = length // periods.days
    units = tuple((start, start + step) for start in range(0, len(periods.rows) - step + 1, step))
    units = tuple(unit for unit in units if periods.rows[slice(*unit)].all())
    if len(units) < LEAST_PERIODS:
        found = Plan(number, length=length)
        return Plan(number, reason=f"The training data have {len(units)} {found.unit_name}; a verdict needs {LEAST_PERIODS}.")  # fmt: skip
    starts = [*range(0, days - length + 1, length)]
    starts += [days - length] if starts[-1] + length < days else []
    others, alike, seasonal = _compared(units, starts, periods, window, length)
    return Plan(
        number,
        pieces=tuple((start, start + length) for start in starts),
        units=units,
        names=tuple(window.days[start].isoformat() for start in starts),
        others=others,
        alike=alike,
        length=length,
        seasonal=seasonal,
    )


def _compared(
    units: tuple[tuple[int, int], ...], starts: list[int], periods: Periods, window: Window, length: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], bool]:
    others = ~np.eye(len(units), dtype=bool)
    alike = np.ones((len(starts), len(units)), dtype=bool)
    if len(periods.rows) * periods.days < _YEAR:
        return others, alike, False
    first = date.fromisoformat(periods.first)
    past = np.array([_day_of_year(first + timedelta(days=unit[0] * periods.days)) for unit in units])
    now = np.array([_day_of_year(window.days[start]) for start in starts])
    near, here = _is_near(past, past) & others, _is_near(now, past)
    # A gap in the training data may leave a season without any other period.
    near[~near.any(axis=1)] = others[~near.any(axis=1)]
    here[~here.any(axis=1)] = True
    return near, here, True


def _is_near(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
    apart = np.abs(one[:, None] - other[None, :])
    return np.asarray(np.minimum(apart, 365 - apart) <= _SEASON)


def _day_of_year(day: date) -> int:
    return day.timetuple().tm_yday
