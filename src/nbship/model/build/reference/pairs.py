"""The combinations of two categories that occur in training: which, and not how often."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ...signature import Codes, Column
from .counts import factorized

__all__ = ["LEAST_OF_PAIR", "seen_pairs"]

# A combination with fewer rows is not stored, so that no row can be read from it.
LEAST_OF_PAIR = 5
# The most fields that are combined, and the most combinations of two fields; keys have more.
_MOST_FIELDS, _MOST_PAIRS = 10, 20_000


def seen_pairs(
    measured: Mapping[str, Column | Codes], categories: Mapping[str, tuple[str, ...]]
) -> dict[tuple[str, str], NDArray[np.int64]]:
    """Return the combinations of the categories of two fields that at least five rows have.

    Parameters
    ----------
    measured
        Columns of strings; None is missing.
    categories
        The sorted categories of each field. The ten with the fewest are combined.

    Returns
    -------
    dict
        Two fields -> the sorted numbers `a * (number of categories of the second) + b` of combinations of the categories
        with the numbers a and b. Fields with too many combinations are left out.

    Examples
    --------
    >>> columns = {"shop": np.array(["a", "b"] * 5, dtype=object), "size": np.array(["S", "M"] * 5, dtype=object)}
    >>> seen_pairs(columns, {"shop": ("a", "b"), "size": ("M", "S")})
    {('shop', 'size'): array([1, 2])}
    """
    fewest = sorted(categories, key=lambda name: len(categories[name]))[:_MOST_FIELDS]
    codes = {name: _codes(measured[name], categories[name]) for name in categories if name in fewest}
    found = {}
    for first, second in combinations(codes, 2):
        known = (codes[first] >= 0) & (codes[second] >= 0)
        index = codes[first][known] * len(categories[second]) + codes[second][known]
        numbers, rows = np.unique(index, return_counts=True)
        frequent = numbers[rows >= LEAST_OF_PAIR]
        if len(frequent) <= _MOST_PAIRS:
            found[first, second] = frequent
    return found


def _codes(values: Column | Codes, categories: tuple[str, ...]) -> NDArray[np.int64]:
    found, names = factorized(values)
    places = {name: place for place, name in enumerate(categories)}
    return np.array([places.get(name or "", -1) if name is not None else -1 for name in names], dtype=np.int64)[found]
