"""Errors of some rows, compared with those of other rows with such predictions, on the same days.

A probability of a half is wrong more often than one of a hundredth, and large values are missed by more than small ones: a
model knows that itself. So the error of a row is compared with that of all rows with such predictions. And days differ: on a
stormy one all errors are large. So what is left is compared with the other rows of the day, with the error of days.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...metrics import Estimate, block_mean
from .measures import LEAST_DAYS, Outcomes

__all__ = ["Contrast", "Errors", "contrast", "excess_of_day"]

# The errors of values that are expected for small predictions are at least this part of the mean error.
_LEAST_WEIGHT = 0.1


class Errors(NamedTuple):
    """The errors of some rows.

    Attributes
    ----------
    error
        Squared differences of probabilities and outcomes, or absolute ones of values, shape (rows,).
    weight
        What errors of rows with such predictions are proportional to, shape (rows,).
    day
        Integers from 0, shape (rows,).
    """

    error: NDArray[np.float64]
    weight: NDArray[np.float64]
    day: NDArray[np.int64]

    @classmethod
    def of(cls, known: Outcomes, kind: str) -> Errors:
        """Return the errors of a window's outcomes: of a "probability" or a "value"."""
        miss = known.predicted - known.actual
        if kind == "value":
            error = np.abs(miss)
            return cls(error, _by_size(error, known.predicted), known.day)
        # If a probability is right, p (1 - p) is its expected squared error.
        weight = known.predicted * (1 - known.predicted)
        return cls(np.square(miss), weight if weight.any() else np.ones(len(miss)), known.day)

    @property
    def expected(self) -> NDArray[np.float64]:
        """The errors of rows with such predictions, shape (rows,)."""
        return self.scale() * self.weight

    def scale(self, rows: slice | NDArray[np.bool_] = slice(None)) -> float:
        """Return the errors of some rows as a multiple of their weights."""
        weight = float(self.weight[rows].sum())
        return float(self.error[rows].sum()) / weight if weight else 0.0

    def taken(self, rows: NDArray[np.intp]) -> Errors:
        """Return those of some rows."""
        return Errors(self.error[rows], self.weight[rows], self.day[rows])


def _by_size(error: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the errors on a line over the sizes of predictions: a few rows with large errors hardly move it."""
    size = np.abs(predicted)
    spread = float(np.var(size)) if len(size) else 0.0
    slope = float(np.mean((size - size.mean()) * error)) / spread if spread else 0.0
    line = error.mean() + max(slope, 0.0) * (size - size.mean()) if len(size) else error
    return np.asarray(np.maximum(line, _LEAST_WEIGHT * error.mean() if len(size) else 0.0))


class Contrast(NamedTuple):
    """The mean error of some rows and that of others like them, and the probability of so large a difference by chance.

    Attributes
    ----------
    rows
        The number of rows in the group.
    error, others
        Their mean error, and that of other rows with such predictions; None without rows.
    p_value
        One-sided; 1 if fewer than five days have rows of both.
    """

    rows: int
    error: float | None
    others: float | None
    p_value: float


def contrast(inside: NDArray[np.bool_], errors: Errors) -> Contrast:
    """Compare the errors of some rows with those of the others.

    Parameters
    ----------
    inside
        A mask of the rows, shape (rows,).

    Examples
    --------
    On each day, one row in two has an error of 2, and the others 1, where all expect 1:

    >>> row = np.arange(40)
    >>> found = contrast(row % 2 == 0, Errors(np.where(row % 2, 1.0, 2.0), np.ones(40), row // 4))
    >>> found.error, found.others, found.p_value < 1e-6
    (2.0, 1.0, True)
    """
    rows, scale = int(inside.sum()), errors.scale(~inside)
    error = float(errors.error[inside].mean()) if rows else None
    others = float(scale * errors.weight[inside].mean()) if 0 < rows < len(inside) else None
    return Contrast(rows, error, others, _p_value(_difference(inside, errors, scale)))


def _difference(inside: NDArray[np.bool_], errors: Errors, scale: float) -> Estimate:
    left, day = errors.error - scale * errors.weight, errors.day
    number = int(day.max(initial=-1)) + 1
    rows = np.bincount(day[~inside], minlength=number)
    means = np.bincount(day[~inside], weights=left[~inside], minlength=number) / np.maximum(rows, 1)
    compared = inside & (rows[day] > 0)
    return block_mean(left[compared] - means[day[compared]], day[compared])


def _p_value(difference: Estimate) -> float:
    if difference.value is None or difference.value <= 0 or difference.blocks < LEAST_DAYS:
        return 1.0
    return difference.p_value(0.0) / 2


def excess_of_day(values: NDArray[np.float64], day: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return how far each value is above the mean of its day."""
    rows = np.maximum(np.bincount(day), 1)
    return np.asarray(values - (np.bincount(day, weights=values) / rows)[day])
