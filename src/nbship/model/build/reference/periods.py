"""The periods of the training rows, such as days: what differs between them is no drift.

A package stores the counts of each field by period, in the same bins and categories as those of all rows. Periods with
few rows are left out, so that counts do not show a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...signature import Codes, Column

__all__ = [
    "LEAST_ROWS",
    "MOST_DISTINCT",
    "Periods",
    "choose_periods",
    "day_numbers",
    "joined",
    "repeated",
    "row_hashes",
]

# Days, weeks or four weeks: the shortest with enough rows, of which there are not too many.
_LENGTHS = (1, 7, 28)
_MOST = 800
LEAST_ROWS = 20
# A field with more values in a day is not stuck at one, even if each of some stations is.
MOST_DISTINCT = 8
# A field with more values in training is continuous: any value between them is usual.
_MOST_KNOWN, _SOME = 200, 10_000
# Mistyped dates, at most this share of the rows on either side, do not stretch the periods.
_OUTSIDE = 0.001


@dataclass(frozen=True)
class Periods:
    """The periods of the training rows.

    Attributes
    ----------
    days
        The length of a period, in days.
    first
        The first day of the first period, ISO 8601, in `zone`.
    zone
        The time zone of days.
    rows
        The number of rows in each period, 0 where there are too few, shape (periods,).
    duplicates
        The number of rows that are equal to an earlier row, shape (periods,).
    """

    days: int
    first: str
    zone: str
    rows: NDArray[np.int64]
    duplicates: NDArray[np.int64]


class Blocks(NamedTuple):
    """Rows in periods: the length in days, the number of the first day, the period of each row (or -1), and their number."""

    days: int
    first: int
    of_rows: NDArray[np.int64]
    number: int


def day_numbers(local: Column) -> NDArray[np.int64]:
    """Return the days since 1970 of local timestamps."""
    return local.astype("datetime64[D]").astype(np.int64)


def choose_periods(days: NDArray[np.int64]) -> Blocks | None:
    """Assign rows to the shortest periods with enough rows each; None if there are none.

    Parameters
    ----------
    days
        The day of each row, as a number, shape (n,).

    Examples
    --------
    >>> blocks = choose_periods(np.repeat(np.arange(30), 50))
    >>> blocks.days, blocks.number, blocks.of_rows[[0, 49, 50]].tolist()
    (1, 30, [0, 0, 1])
    >>> choose_periods(np.repeat(np.arange(30), 5)).days
    7
    """
    if not len(days):
        return None
    first, last = np.quantile(days, (_OUTSIDE, 1 - _OUTSIDE), method="nearest").astype(int).tolist()
    for length in _LENGTHS:
        # The last days are left out where they are no whole period.
        number = (last + 1 - first) // length
        if not 0 < number <= _MOST:
            continue
        blocks = (days - first) // length
        blocks = np.where((days < first) | (blocks >= number), -1, blocks)
        rows = np.bincount(blocks[blocks >= 0], minlength=number)
        if np.median(rows) >= LEAST_ROWS:
            rows_of = rows[np.maximum(blocks, 0)]
            return Blocks(length, first, np.where(rows_of < LEAST_ROWS, -1, blocks), number)
    return None


def row_hashes(columns: Mapping[str, Column | Codes]) -> NDArray[np.uint64]:
    """Return a number for each row, the same for equal rows and else another."""
    total = np.zeros(len(next(iter(columns.values()))), dtype=np.uint64)
    for _, values in sorted(columns.items()):
        # The multiplier of FNV-1a; products wrap.
        total = total * np.uint64(1099511628211) + _hashes(values)
    return total


def _hashes(values: Column | Codes) -> NDArray[np.uint64]:
    import pandas as pd

    if isinstance(values, Codes):
        return _hashes(values.known)[values.codes]
    plain = values.astype(np.float64) if values.dtype.kind in "biuf" else values
    return np.asarray(pd.util.hash_array(plain, categorize=True))


def known_values(values: Column) -> NDArray[np.float64] | None:
    """Return the sorted distinct numbers of a field that has few of them, six digits each; None for more.

    >>> known_values(np.array([0.1 + 0.2, 0.3, np.nan])).tolist()
    [0.3]
    """
    known = values[np.isfinite(values)]
    # A continuous field shows in its first rows.
    if len(np.unique(six_digits(known[:_SOME]))) > _MOST_KNOWN:
        return None
    found = np.unique(six_digits(np.unique(known)))
    return found if 0 < len(found) <= _MOST_KNOWN else None


def is_known(values: Column, known: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which numbers are among the known ones, to six digits, or outside their range, or missing."""
    rounded = six_digits(values)
    place = np.clip(np.searchsorted(known, rounded), 0, len(known) - 1)
    return np.asarray((known[place] == rounded) | ~((rounded > known[0]) & (rounded < known[-1])))


def six_digits(values: Column) -> NDArray[np.float64]:
    """Return numbers rounded to six significant digits, so that the last bits of a conversion do not matter."""
    with np.errstate(all="ignore"):
        exponent = np.floor(np.log10(np.abs(values)))
        scale = 10.0 ** (5 - np.where(np.isfinite(exponent), exponent, 0.0))
        rounded = np.round(values * scale) / scale
    return np.asarray(np.where(np.isfinite(rounded), rounded, values))


def joined(one: frozenset[float] | None, other: frozenset[float] | None) -> frozenset[float] | None:
    """Return the distinct values of both; None for more than a few.

    >>> joined(frozenset({1.0}), frozenset({2.0})) == {1.0, 2.0}
    True
    """
    if one is None or other is None or len(one | other) > MOST_DISTINCT:
        return None
    return one | other


def repeated(distinct: list[frozenset[float] | None]) -> NDArray[np.int64]:
    """Return 1 for each block whose distinct values are those of the block before, else 0.

    >>> repeated([frozenset({1.0}), frozenset({1.0}), None, None]).tolist()
    [0, 1, 0, 0]
    """
    pairs = zip([None, *distinct[:-1]], distinct, strict=True)
    return np.array([int(bool(now) and before == now) for before, now in pairs], dtype=np.int64)
