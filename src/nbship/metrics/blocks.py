"""Measures with their errors, where rows come in blocks that are alike, such as the rows of one day.

The error of a measure is that of its sums by block: as many independent values as there are blocks. For example, a storm
makes all deliveries of a day late: a thousand deliveries on ten days tell little more about the usual share than ten
numbers do. It is at least the error of as many independent rows.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from .arrays import Floats, check_lengths, finite_of, outcomes_of, probabilities_of

__all__ = ["Estimate", "block_auc", "block_mean", "block_numbers", "calibration_line"]

_LEAST_PROBABILITY = 1e-6
_MOST_STEPS = 50


class Estimate(NamedTuple):
    """A measure with its error.

    Attributes
    ----------
    value
        The measure; None if the data do not define it.
    error
        Its standard error by block; None with fewer than two blocks.
    blocks, rows
        The number of blocks and of rows.
    effective_rows
        The number of independent rows that would give the same error; None without an error.
    """

    value: float | None
    error: float | None
    blocks: int
    rows: int
    effective_rows: float | None

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Return the limits of the confidence interval (Student's t, blocks - 1 degrees of freedom); None without an error."""
        from scipy.special import stdtrit  # type: ignore[import-untyped]

        if self.value is None or self.error is None:
            return None
        reach = float(stdtrit(self.blocks - 1, 0.5 + level / 2)) * self.error
        return self.value - reach, self.value + reach

    def p_value(self, expected: float, *, error: float = 0.0) -> float:
        """Return the two-sided probability of a value as far from an expected one, which has a standard error of its own.

        1 without an error by block: then nothing is known.
        """
        from scipy.special import stdtr

        if self.value is None or self.error is None:
            return 1.0
        spread = math.hypot(self.error, error)
        if not spread:
            return 1.0 if self.value == expected else 0.0
        return float(2 * stdtr(self.blocks - 1, -abs(self.value - expected) / spread))

    def p_value_against(self, expected: float, *, error: float, blocks: int) -> float:
        """Return the two-sided probability of a difference from a measure of other blocks, with its error.

        A few blocks may resemble each other by chance, and then their own error is too small. For example, the seven days of
        a calm week differ by 0.01, those of other weeks by 0.09. Therefore it is the larger of two probabilities: by the
        errors of both (Welch's t), and by a variance that the blocks of both share (Student's t).
        """
        from scipy.special import stdtr

        if self.value is None or self.error is None or blocks < 2:
            return self.p_value(expected, error=error)
        difference, degrees = abs(self.value - expected), (self.blocks - 1, blocks - 1)
        if not difference or not (self.error or error):
            return float(not difference)
        squares = self.error**2, error**2
        welch = sum(squares) ** 2 / sum(s**2 / d for s, d in zip(squares, degrees, strict=True))
        pooled = (degrees[0] * self.blocks * squares[0] + degrees[1] * blocks * squares[1]) / sum(degrees)
        shared = pooled * (1 / self.blocks + 1 / blocks)
        return max(
            float(2 * stdtr(welch, -difference / math.sqrt(sum(squares)))),
            float(2 * stdtr(sum(degrees), -difference / math.sqrt(shared))),
        )


def block_mean(values: ArrayLike, blocks: ArrayLike) -> Estimate:
    """Return the mean of values, with its error by block (Liang & Zeger 1986).

    Parameters
    ----------
    values
        Numbers, shape (n,).
    blocks
        The block of each value, shape (n,): integers from 0.

    Raises
    ------
    DataError
        If the lengths differ, or a value is not finite.

    Examples
    --------
    >>> estimate = block_mean([1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1])
    >>> estimate.value, estimate.error, round(estimate.effective_rows, 1)
    (0.5, 0.5, 1.2)
    """
    x, block = finite_of(values, "values"), _blocks_of(blocks)
    _check(x, block)
    if not x.size:
        return Estimate(None, None, 0, 0, None)
    mean = float(x.mean())
    return _estimate(mean, (x - mean) / x.size, block)


def block_auc(actual: ArrayLike, probability: ArrayLike, blocks: ArrayLike) -> Estimate:
    """Return the area under the ROC curve, with its error by block (Obuchowski 1997).

    Parameters
    ----------
    actual, probability
        Outcomes (0 or 1) and predicted probabilities, shape (n,).
    blocks
        The block of each row, shape (n,): integers from 0.

    Raises
    ------
    DataError
        If the lengths differ, an outcome is not 0 or 1, or a probability is not between 0 and 1.

    Examples
    --------
    >>> block_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]).value
    0.75
    """
    y, p, block = outcomes_of(actual), probabilities_of(probability), _blocks_of(blocks)
    check_lengths(y, p)
    _check(y, block)
    is_positive = y > 0
    positives, negatives = np.sort(p[is_positive]), np.sort(p[~is_positive])
    if not (positives.size and negatives.size):
        return Estimate(None, None, int(np.unique(block).size), y.size, None)
    # The share of the other class that a row is ranked rightly against; half of equal probabilities count.
    placement = np.empty(y.size)
    placement[is_positive] = _rank(negatives, p[is_positive]) / negatives.size
    placement[~is_positive] = 1 - _rank(positives, p[~is_positive]) / positives.size
    area = float(placement[is_positive].mean())
    return _estimate(area, (placement - area) / np.where(is_positive, positives.size, negatives.size), block)


def calibration_line(actual: ArrayLike, probability: ArrayLike, blocks: ArrayLike) -> tuple[Estimate, Estimate]:
    """Return the intercept and the slope of calibration, with their errors by block (Van Calster et al. 2016).

    The slope is that of a logistic regression of the outcomes on the logit of the probability: 1 if the probabilities
    spread as they should, less if they are too extreme. The intercept is that with a slope of 1: 0 if the
    probabilities are right on average, positive if they are too low, in logits.

    Parameters
    ----------
    actual, probability
        Outcomes (0 or 1) and predicted probabilities, shape (n,).
    blocks
        The block of each row, shape (n,): integers from 0.

    Raises
    ------
    DataError
        If the lengths differ, an outcome is not 0 or 1, or a probability is not between 0 and 1.

    Examples
    --------
    >>> intercept, slope = calibration_line([1, 0, 0, 0, 0, 1, 1, 1, 1, 0], [0.2] * 5 + [0.8] * 5, range(10))
    >>> abs(intercept.value) < 1e-9, round(slope.value, 6)
    (True, 1.0)
    """
    y, p, block = outcomes_of(actual), probabilities_of(probability), _blocks_of(blocks)
    check_lengths(y, p)
    _check(y, block)
    clipped = np.clip(p, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    logit = np.log(clipped / (1 - clipped))
    ones = np.ones((y.size, 1))
    return (
        _coefficient(y, ones, block, offset=logit),
        _coefficient(y, np.column_stack([ones, logit]), block, offset=np.zeros(y.size)),
    )


def _coefficient(y: Floats, x: Floats, block: NDArray[np.intp], *, offset: Floats) -> Estimate:
    """Return the last coefficient of a logistic regression of y on x, shape (n, k), with its error by block."""
    unknown = Estimate(None, None, int(np.unique(block).size), y.size, None)
    if y.size == 0 or y.min() == y.max() or np.linalg.matrix_rank(x) < x.shape[1]:
        return unknown
    coefficients = np.zeros(x.shape[1])
    for _ in range(_MOST_STEPS):
        rate = 1 / (1 + np.exp(-np.clip(offset + x @ coefficients, -30, 30)))
        information = (x * (rate * (1 - rate))[:, None]).T @ x
        # The classes are separated: the coefficients have no limit.
        if np.linalg.cond(information) > 1e12:
            return unknown
        step = np.linalg.solve(information, x.T @ (y - rate))
        coefficients += step
        if np.abs(step).max() < 1e-10:
            influence = (x * (y - rate)[:, None]) @ np.linalg.inv(information)[:, -1]
            return _estimate(float(coefficients[-1]), influence, block)
    return unknown


def _estimate(value: float, influence: Floats, block: NDArray[np.intp]) -> Estimate:
    """Return an estimate whose error is that of the sums of the rows' influence by block, and at least that of rows alone.

    With few blocks the sums may be alike by chance, and the error would be too small.
    """
    sums = np.bincount(block, weights=influence)
    number = int(np.unique(block).size)
    if number < 2:
        return Estimate(value, None, number, influence.size, None)
    variance = float(np.square(sums).sum()) * number / (number - 1)
    rows = influence.size
    alone = float(np.square(influence).sum()) * rows / max(1, rows - 1)
    largest = max(variance, alone)
    return Estimate(value, math.sqrt(largest), number, rows, rows * alone / largest if largest else float(rows))


def _rank(ordered: Floats, values: Floats) -> Floats:
    """Return how many of some sorted numbers are less than each value; equal ones count half."""
    # Searches for values in their order find the same places in the processor's cache.
    order = np.argsort(values)
    values = values[order]
    ranks = np.empty(len(values))
    ranks[order] = (np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")) / 2
    return ranks


def block_numbers(blocks: ArrayLike) -> NDArray[np.intp]:
    """Return blocks of any values, such as days, as integers from 0.

    Raises
    ------
    DataError
        If they are not one-dimensional.

    Examples
    --------
    >>> block_numbers(np.array(["2024-07-02", "2024-07-01", "2024-07-02"], dtype="datetime64[D]")).tolist()
    [1, 0, 1]
    """
    found = np.asarray(blocks)
    if found.ndim != 1:
        raise DataError("The blocks must have one dimension, with the block of each row.")
    return np.unique(found, return_inverse=True)[1].astype(np.intp)


def _blocks_of(blocks: ArrayLike) -> NDArray[np.intp]:
    found = np.asarray(blocks)
    if found.ndim != 1 or (found.size and (found.dtype.kind not in "iu" or found.min() < 0)):
        raise DataError("The blocks must be integers from 0, one for each row.")
    return found.astype(np.intp)


def _check(values: Floats, blocks: NDArray[np.intp]) -> None:
    if values.size != blocks.size:
        raise DataError(f"There are {values.size} rows and {blocks.size} blocks. Give the block of each row.")
