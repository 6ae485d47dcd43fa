"""Many tests or estimates at once: which are findings, which are worth a look, and what to expect of the worst."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .blocks import Estimate

__all__ = ["holm", "listed_tests", "shrunk"]


def holm(p_values: Sequence[float], *, others: int = 0) -> list[float]:
    """Correct p-values for their number: any that is at most alpha is wrong with a probability of at most alpha (Holm 1979).

    Parameters
    ----------
    others
        Further tests of the same report, which are judged elsewhere.

    >>> holm([0.01, 0.5, 0.02]), holm([0.01, 0.5], others=2)
    ([0.03, 0.5, 0.04], [0.04, 1.0])
    """
    corrected, largest = list(p_values), 0.0
    for rank, k in enumerate(sorted(range(len(corrected)), key=corrected.__getitem__)):
        largest = max(largest, min(1.0, (len(corrected) + others - rank) * corrected[k]))
        corrected[k] = largest
    return corrected


def listed_tests(p_values: Sequence[float], rate: float) -> list[bool]:
    """Return which tests to list, so that a share of at most `rate` of them is wrong (Benjamini & Hochberg 1995).

    >>> listed_tests([0.01, 0.5, 0.04], 0.1)
    [True, False, True]
    """
    ordered: NDArray[np.float64] = np.sort(np.asarray(p_values, dtype=np.float64))
    below = np.flatnonzero(ordered <= rate * np.arange(1, len(ordered) + 1) / max(1, len(ordered)))
    largest = ordered[below[-1]] if len(below) else -1.0
    return [bool(p_value <= largest) for p_value in p_values]


def shrunk(estimates: Sequence[Estimate]) -> list[float]:
    """Draw estimates towards their mean, as far as their errors explain their differences (DerSimonian & Laird 1986).

    Of many slices, the worst is bad by chance too: its shrunk value is what to expect of it once more.

    >>> [round(each, 2) for each in shrunk([Estimate(v, 0.1, 30, 900, 50.0) for v in (0.1, 0.2, 0.9)])]
    [0.12, 0.21, 0.87]
    """
    if not estimates:
        return []
    values = np.array([each.value for each in estimates], dtype=np.float64)
    variances = np.square([each.error or 0.0 for each in estimates]) + 1e-12
    weights = 1 / variances
    mean = float(np.average(values, weights=weights))
    spread = float(weights @ np.square(values - mean)) - (len(values) - 1)
    between = max(0.0, spread / (weights.sum() - np.square(weights).sum() / weights.sum())) if len(values) > 1 else 0.0
    drawn = (between * values + variances * mean) / (between + variances)
    return [float(value) for value in drawn]
