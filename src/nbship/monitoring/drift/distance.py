"""Distances between two counted distributions, and tests of whether chance explains them.

All functions take the counts of the same bins or categories, reference first. They need no raw values and always
return finite numbers: with no counts on one side the distance is 0 and the p-value 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Test",
    "chi_squared",
    "homogeneity",
    "jensen_shannon",
    "jensen_shannon_noise",
    "kolmogorov_smirnov",
    "proportions",
    "psi",
    "psi_noise",
]

_LEAST_EXPECTED = 5.0  # the smallest expected count for the chi-squared distribution (Cochran 1954)


@dataclass(frozen=True)
class Test:
    """A test statistic and its p-value."""

    __test__ = False  # pytest would collect it

    statistic: float
    p_value: float
    degrees: int = 0


def psi(reference: ArrayLike, current: ArrayLike) -> float:
    """Population stability index: the symmetric Kullback-Leibler divergence in nats, 0 and up (Siddiqi 2006).

    Half a row is added to every bin, so that an empty bin gives a finite number.

    >>> round(psi([50, 50], [75, 25]), 2)
    0.27
    """
    r, c = _counts(reference), _counts(current)
    if not (r.sum() and c.sum()):
        return 0.0
    p, q = (r + 0.5) / (r.sum() + 0.5 * r.size), (c + 0.5) / (c.sum() + 0.5 * c.size)
    return float(np.sum((p - q) * np.log(p / q)))


def psi_noise(reference: ArrayLike, current: ArrayLike) -> float:
    """The index to expect from chance alone: (bins in use - 1) × (1/m + 1/n) (Yurdakul & Naranjo 2020)."""
    r, c = _counts(reference), _counts(current)
    if not (r.sum() and c.sum()):
        return 0.0
    return float((np.count_nonzero(r + c) - 1) * (1 / r.sum() + 1 / c.sum()))


def jensen_shannon(reference: ArrayLike, current: ArrayLike) -> float:
    """Jensen-Shannon distance: 0 (the same) to 1 (nothing in common), in bits (Lin 1991, Endres & Schindelin 2003).

    >>> jensen_shannon([10, 0], [0, 7]), jensen_shannon([10, 20], [5, 10])
    (1.0, 0.0)
    """
    r, c = _counts(reference), _counts(current)
    if not (r.sum() and c.sum()):
        return 0.0
    p, q = r / r.sum(), c / c.sum()
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return math.sqrt(min(max(divergence, 0.0), 1.0))


def kolmogorov_smirnov(reference: ArrayLike, current: ArrayLike) -> Test:
    """Largest gap between two cumulative distributions at the edges of ordered bins (Massey 1951).

    Within a bin the gap can be larger: the statistic is a lower bound, the p-value an upper one.

    >>> kolmogorov_smirnov([100, 100, 100], [100, 100, 100]).statistic
    0.0
    """
    r, c = _counts(reference), _counts(current)
    if not (r.sum() and c.sum()):
        return Test(0.0, 1.0)
    gap = float(np.max(np.abs(np.cumsum(r) / r.sum() - np.cumsum(c) / c.sum())))
    rows = r.sum() * c.sum() / (r.sum() + c.sum())
    from scipy.special import kolmogorov  # type: ignore[import-untyped]

    return Test(gap, float(kolmogorov(math.sqrt(rows) * gap)))


def jensen_shannon_noise(reference: ArrayLike, current: ArrayLike) -> float:
    """The distance to expect from chance alone, where the chi-squared distribution of its square holds (Lin 1991)."""
    return math.sqrt(psi_noise(reference, current) / (8 * math.log(2)))


def chi_squared(reference: ArrayLike, current: ArrayLike) -> Test:
    """Pearson's test that both sides come from one distribution; rare categories are merged.

    >>> chi_squared([500, 500], [5, 5]).p_value
    1.0
    """
    r, c = _pooled(_counts(reference), _counts(current))
    if r.size < 2:
        return Test(0.0, 1.0)
    both, m, n = r + c, r.sum(), c.sum()
    expected = both * n / (m + n), both * m / (m + n)
    statistic = float(np.sum((c - expected[0]) ** 2 / expected[0]) + np.sum((r - expected[1]) ** 2 / expected[1]))
    return Test(statistic, _chi_squared_tail(statistic, r.size - 1), r.size - 1)


def homogeneity(table: ArrayLike) -> float:
    """Return the p-value of Pearson's test that all rows of a table come from one distribution, shape (rows, bins).

    >>> homogeneity([[50, 50], [49, 51], [52, 48]]) > 0.5, homogeneity([[90, 10], [10, 90]]) < 1e-9
    (True, True)
    """
    counts = _counts(table)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(counts.shape, default=0) < 2:
        return 1.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    statistic = float(np.sum((counts - expected) ** 2 / expected))
    return _chi_squared_tail(statistic, (counts.shape[0] - 1) * (counts.shape[1] - 1))


def proportions(hits: float, rows: float, *, reference_hits: float, reference_rows: float) -> Test:
    """Test two shares for equality, two-sided, with the correction of Yates (1934); the statistic is the difference.

    >>> proportions(5, 100, reference_hits=50, reference_rows=1000).p_value
    1.0
    """
    if not (rows and reference_rows):
        return Test(0.0, 1.0)
    difference = hits / rows - reference_hits / reference_rows
    share = (hits + reference_hits) / (rows + reference_rows)
    spread = math.sqrt(share * (1 - share) * (1 / rows + 1 / reference_rows))
    gap = abs(difference) - (1 / rows + 1 / reference_rows) / 2
    return Test(difference, math.erfc(gap / spread / math.sqrt(2)) if spread > 0 and gap > 0 else 1.0)


def _counts(values: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _relative_entropy(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    used = p > 0
    return float(np.sum(p[used] * np.log2(p[used] / q[used])))


def _pooled(r: NDArray[np.float64], c: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Merge the rarest bins until each expects enough rows on the smaller side.

    For example, bins that expect 1, 2, 3 and 9 rows become bins that expect 6 and 9 rows.
    """
    m, n = r.sum(), c.sum()
    if not (m and n):
        return r[:0], c[:0]
    order = np.argsort(r + c, kind="stable")
    r, c = r[order], c[order]
    expected = (r + c) * min(m, n) / (m + n)
    rare = int(np.searchsorted(expected, _LEAST_EXPECTED))
    while 0 < rare < expected.size and expected[:rare].sum() < _LEAST_EXPECTED:
        rare += 1
    if not rare:
        return r, c
    return np.append(r[:rare].sum(), r[rare:]), np.append(c[:rare].sum(), c[rare:])


def _chi_squared_tail(statistic: float, degrees: int) -> float:
    from scipy.special import gammaincc

    return float(gammaincc(degrees / 2, statistic / 2))
