"""Numbers of blocks of rows, such as days: sorted once in each block, and then counted without a search for each number.

For example, the numbers 5, 2 of one day and 3, NaN, 3 of the next are sorted to 2, 5 and 3, 3, NaN. How many of a day lie
below an edge is then one search for the edge.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...signature import Column

__all__ = ["Grouping", "SortedNumbers"]

# In a block with fewer numbers, a search for each is faster than one for each edge.
_LEAST_ROWS = 200
_LARGEST = np.finfo(np.float64).max


@dataclass(frozen=True)
class Grouping:
    """Rows in blocks.

    Attributes
    ----------
    of_rows
        The block of each row, from 0 to `number - 1`, or -1 for none, shape (n,).
    number
        The number of blocks.
    """

    of_rows: Column
    number: int

    @cached_property
    def order(self) -> NDArray[np.intp] | None:
        """The rows in the order of their blocks, without those of none; None if they are in it."""
        blocks = self.of_rows
        if not len(blocks) or (blocks[0] >= 0 and bool((blocks[1:] >= blocks[:-1]).all())):
            return None
        # Small integers are sorted in linear time.
        small = blocks.astype(np.int16) if self.number < 2**15 else blocks
        order = np.argsort(small, kind="stable")
        return order[np.searchsorted(small[order], 0) :]

    @cached_property
    def limits(self) -> NDArray[np.intp]:
        """Where each block begins in this order, and where the last one ends, shape (number + 1,)."""
        blocks = self.of_rows if self.order is None else self.of_rows[self.order]
        return np.searchsorted(blocks, np.arange(self.number + 1))

    def taken(self, rows: Column) -> Grouping:
        """Return the grouping of some of the rows."""
        return Grouping(self.of_rows[rows], self.number)


class SortedNumbers:
    """Numbers, sorted in each block.

    Parameters
    ----------
    values
        Shape (n,); NaN and infinite values are missing.
    grouping
        Their blocks.

    Examples
    --------
    >>> numbers = SortedNumbers(np.array([5.0, 2.0, 3.0, np.nan, 3.0]), Grouping(np.array([0, 0, 1, 1, 1]), 2))
    >>> numbers.counts(np.array([-np.inf, 3.0, np.inf])).tolist()
    [[1, 1, 0], [2, 0, 1]]
    >>> numbers.sums().tolist(), numbers.distinct(most=1)
    ([[7.0, 6.0], [29.0, 18.0]], [None, frozenset({3.0})])
    """

    def __init__(self, values: Column, grouping: Grouping) -> None:
        self._grouping, self._limits = grouping, grouping.limits
        numbers = np.array(values, dtype=np.float64) if grouping.order is None else values[grouping.order].astype(np.float64)  # fmt: skip
        blocks = np.flatnonzero(np.diff(self._limits))
        self._is_thick = len(numbers) >= _LEAST_ROWS * len(blocks)
        if self._is_thick:
            for block in blocks.tolist():
                numbers[self._limits[block] : self._limits[block + 1]].sort()
        else:
            numbers = numbers[np.lexsort((numbers, self._blocks))]
        self._numbers = numbers

    @property
    def _blocks(self) -> Column:
        return np.repeat(np.arange(self._grouping.number), np.diff(self._limits))

    def counts(self, edges: Column) -> NDArray[np.int64]:
        """Count the numbers of each block in bins, which hold what lies above their lower edge, up to and including their upper one.

        Parameters
        ----------
        edges
            Shape (bins + 1,); the outer ones are infinite.

        Returns
        -------
        array
            Shape (blocks, bins + 1); the last column is that of missing values.
        """
        number, width = self._grouping.number, len(edges)
        if not self._is_thick:
            codes = np.searchsorted(edges[1:-1], self._numbers, side="left")
            codes[~np.isfinite(self._numbers)] = width - 1
            cells = self._blocks * width + codes
            return np.bincount(cells, minlength=number * width).reshape(number, width).astype(np.int64)
        bounds = np.concatenate([[-np.inf], edges[1:-1], [_LARGEST]])
        table = np.zeros((number, width), dtype=np.int64)
        for block, part in self._parts():
            ends = np.searchsorted(part, bounds, side="right")
            table[block, :-1] = np.diff(ends)
            table[block, -1] = len(part) - (ends[-1] - ends[0])
        return table

    def sums(self) -> NDArray[np.float64]:
        """Return the sum of the numbers and of their squares in each block, shape (2, blocks)."""
        known = np.where(np.isfinite(self._numbers), self._numbers, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            powers = [np.append(known, 0.0), np.append(np.square(known), 0.0)]
            sums = np.array([np.add.reduceat(power, self._limits[:-1]) for power in powers])
        # For an empty block, `reduceat` gives the number at its limit.
        sums[:, np.diff(self._limits) == 0] = 0.0
        return sums

    def distinct(self, *, most: int) -> list[frozenset[float] | None]:
        """Return the distinct numbers of each block; None for a block with more than `most`."""
        starts, bounds = self._starts, np.searchsorted(self._starts, self._limits)
        return [
            None if high - low > most else frozenset(self._numbers[starts[low:high]].tolist())
            for low, high in itertools.pairwise(bounds.tolist())
        ]

    @property
    def unique(self) -> tuple[Column, NDArray[np.intp]]:
        """The distinct numbers of all blocks, and how often each occurs; a number may be there once for each block."""
        missing = np.append(0, np.cumsum(~np.isfinite(self._numbers)))
        ends = np.append(self._starts[1:], len(self._numbers))
        return self._numbers[self._starts], ends - self._starts - (missing[ends] - missing[self._starts])

    @cached_property
    def _starts(self) -> NDArray[np.intp]:
        """Where in each block the first of several equal numbers is."""
        first = np.ones(len(self._numbers) + 1, dtype=bool)
        first[1:-1] = self._numbers[1:] != self._numbers[:-1]
        first[self._limits] = True
        return np.flatnonzero(first[:-1] & np.isfinite(self._numbers))

    def _parts(self) -> list[tuple[int, Column]]:
        limits = self._limits.tolist()
        return [
            (block, self._numbers[low:high])
            for block, (low, high) in enumerate(itertools.pairwise(limits))
            if high > low
        ]
