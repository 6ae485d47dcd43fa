"""Bands of history: is a value beyond those of past periods?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["LEAST_PERIODS", "Band", "made_band"]

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
