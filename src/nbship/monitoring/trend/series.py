"""Values of windows in a row: is the last one beyond the others, and do all of them move one way?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["LEAST_SLOPE", "Beyond", "Decline", "beyond", "decline"]

# The fewest windows for a slope; and the largest correlation of windows that follow each other which is taken into account.
LEAST_SLOPE, _MOST_ALIKE = 8, 0.8


class Beyond(NamedTuple):
    """The mean of earlier values, and the probability of one as far from it as the last."""

    mean: float
    p_value: float


class Decline(NamedTuple):
    """A line through values: the change from one to the next, the value at the first, and the probability by chance."""

    slope: float
    start: float
    p_value: float


def beyond(
    value: float, past: Sequence[float], *, now_error: float, past_errors: Sequence[float], worse: int
) -> Beyond:
    """Compare a value with earlier ones, which are taken to be normal.

    Parameters
    ----------
    now_error, past_errors
        The errors of the values. They are a part of the spread of past values, which is at least their mean; where the
        error of the last value is larger, the difference is added.
    worse
        -1 to look for lower values, 1 for higher ones, 0 for either.

    Examples
    --------
    >>> past = [0.70, 0.72, 0.71, 0.69, 0.71, 0.70]
    >>> errors = {"now_error": 0.01, "past_errors": [0.01] * 6}
    >>> beyond(0.70, past, worse=-1, **errors).p_value > 0.1, beyond(0.50, past, worse=-1, **errors).p_value < 1e-4
    (True, True)
    """
    from scipy.special import stdtr  # type: ignore[import-untyped]

    usual = float(np.mean(np.square(past_errors)))
    variance = max(float(np.var(past, ddof=1)), usual)
    spread = math.sqrt(variance * (1 + 1 / len(past)) + max(0.0, now_error**2 - usual))
    mean = float(np.mean(past))
    if not spread:
        return Beyond(mean, 1.0 if value == mean else 0.0)
    distance = (value - mean) / spread
    tail = float(stdtr(len(past) - 1, -(abs(distance) if worse == 0 else worse * distance)))
    return Beyond(mean, min(1.0, tail * (2 if worse == 0 else 1)))


def decline(values: Sequence[float], *, worse: int) -> Decline:
    """Test whether values move one way (least squares), where those that follow each other may be alike.

    The error of the slope grows with the correlation of what is left beside the line, whose estimate from few values is too
    low by about two over their number (Kendall 1954).

    Parameters
    ----------
    worse
        -1 to look for a fall, 1 for a rise.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> falling = [0.75 - 0.01 * k + 0.002 * e for k, e in enumerate(rng.normal(size=12))]
    >>> decline(falling, worse=-1).p_value < 1e-4, decline(falling, worse=1).p_value > 0.9
    (True, True)
    """
    from scipy.special import stdtr

    y, number = np.asarray(values, dtype=np.float64), len(values)
    x = np.arange(number) - (number - 1) / 2
    slope = float(x @ y / (x @ x))
    left = y - y.mean() - slope * x
    squares = float(left @ left)
    start = float(y.mean() + slope * x[0])
    if not squares:
        return Decline(slope, start, 0.0 if slope * worse > 0 else 1.0)
    alike = float(left[1:] @ left[:-1]) / squares
    alike = min(max((alike + 2 / number) / (1 - 4 / number), 0.0), _MOST_ALIKE)
    error = math.sqrt(squares / (number - 2) / float(x @ x) * (1 + alike) / (1 - alike))
    return Decline(slope, start, float(stdtr(number - 2, -worse * slope / error)))
