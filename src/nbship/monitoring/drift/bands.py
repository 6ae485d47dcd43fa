"""Bands of history: is a value beyond those of past periods? And which of many tests are findings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LEAST_PERIODS", "Band", "holm", "listed_tests", "made_band"]

# The fewest past periods for a band. A t limit at 0.02 % is 5.5 standard deviations with 12 of them and 4.2 with 21.
LEAST_PERIODS = 12


@dataclass(frozen=True)
class Band:
    """The mean and the spread of past values, which are taken to be normal.

    Attributes
    ----------
    number
        The number of past values.
    mean, spread
        Their mean and standard deviation.
    """

    number: int
    mean: float
    spread: float

    @property
    def _error(self) -> float:
        # A new value differs from the mean by its own spread and that of the mean (Student's prediction interval).
        return self.spread * math.sqrt(1 + 1 / self.number)

    def p_value(self, value: float) -> float:
        """Return the probability that the next value is this large or larger."""
        from scipy.special import stdtr  # type: ignore[import-untyped]

        return float(stdtr(self.number - 1, -(value - self.mean) / self._error))

    def limit(self, alpha: float) -> float:
        """Return the value that the next one exceeds with the probability `alpha`."""
        from scipy.special import stdtrit

        return self.mean - float(stdtrit(self.number - 1, alpha)) * self._error


def made_band(values: ArrayLike, *, least_spread: float) -> Band | None:
    """Return the band of past values; None where there are too few.

    Examples
    --------
    >>> band = made_band(np.linspace(-1, 1, 21), least_spread=0.1)
    >>> round(band.p_value(0.0), 2), band.p_value(5.0) < 1e-6
    (0.5, True)
    >>> made_band([1.0, 2.0], least_spread=0.1) is None
    True
    """
    known = np.asarray(values, dtype=np.float64)
    if len(known) < LEAST_PERIODS:
        return None
    return Band(len(known), float(known.mean()), max(float(known.std(ddof=1)), least_spread))


def holm(p_values: Sequence[float], alpha: float, *, others: int = 0) -> list[bool]:
    """Return which tests reject, so that any is wrong with a probability of at most `alpha` (Holm 1979).

    Parameters
    ----------
    others
        Further tests of the same report, which are judged elsewhere.

    >>> holm([0.001, 0.04, 0.02], 0.05)
    [True, True, True]
    >>> holm([0.001, 0.04, 0.03], 0.05)
    [True, False, False]
    """
    order = np.argsort(p_values, kind="stable")
    rejected = np.zeros(len(p_values), dtype=bool)
    for rank, test in enumerate(order.tolist()):
        if p_values[test] > alpha / (len(p_values) + others - rank):
            break
        rejected[test] = True
    return rejected.tolist()


def listed_tests(p_values: Sequence[float], rate: float) -> list[bool]:
    """Return which tests to list, so that a share of at most `rate` of them is wrong (Benjamini & Hochberg 1995).

    >>> listed_tests([0.01, 0.5, 0.04], 0.1)
    [True, False, True]
    """
    ordered: NDArray[np.float64] = np.sort(np.asarray(p_values, dtype=np.float64))
    below = np.flatnonzero(ordered <= rate * np.arange(1, len(ordered) + 1) / max(1, len(ordered)))
    largest = ordered[below[-1]] if len(below) else -1.0
    return [bool(p_value <= largest) for p_value in p_values]
