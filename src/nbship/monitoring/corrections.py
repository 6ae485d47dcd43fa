"""Many tests at once: which are findings, and which are worth a look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["holm", "listed_tests"]


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
