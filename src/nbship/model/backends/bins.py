"""Find the bin of a value, for one value or a whole column."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from ..signature import Codes

__all__ = ["NumberBins", "TextBins"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

_CELLS = 2048
# With fewer cuts than this, bisection is faster than the grid.
_FEW = 24
# Up to this number, cuts are also kept in a list.
_LISTED = 1 << 16


class TextBins:
    """Bins of strings: one for each known string, one for all others, one for null.

    >>> bins = TextBins(("blue", "red"), start=10)
    >>> [bins.of(text) for text in ("red", "green", None)]
    [11, 12, 13]
    """

    def __init__(self, known: tuple[str, ...], start: int) -> None:
        self.start = start
        self.null = start + len(known) + 1
        codes: dict[str | None, int] = {text: start + code for code, text in enumerate(known)}
        self._codes = _Codes({**codes, None: self.null})
        self._codes.other = self.null - 1
        self.of: Callable[[Any], int] = self._codes.__getitem__

    def of_codes(self, column: Codes) -> Array:
        """Return the bin of each row, as an integer column that `fill` accepts."""
        return np.array([self.of(text) for text in column.known], dtype=np.intp)[column.codes]

    def fill(self, column: Array, out: Array) -> None:
        """Write the bin of each string in a column."""
        out[:] = (
            column
            if column.dtype.kind == "i"
            else np.fromiter(map(self.of, column.tolist()), dtype=np.intp, count=len(column))
        )


class _Codes(dict[Any, int]):
    other: int

    def __missing__(self, text: object) -> int:
        return self.other


class NumberBins:
    """Bins of numbers: one up to each cut, one for larger numbers, one for NaN.

    A column uses a grid of cells of equal width. For each cell, a table holds the number of cuts in earlier cells;
    the few cuts in the cell itself are compared. This is exact: rounding may move a number to a neighbouring cell, but
    it moves cuts in the same way, and a larger number never has a smaller cell.

    For example, with 4 cells and the cuts 0, 1, 7, 8, a cell is 2 wide and the cuts lie in the cells 0, 0, 3, 3. The
    number 6.5 lies in cell 3, before which there are 2 cuts. 7 < 6.5 is false, so its bin is 2: above the cuts 0 and
    1, and at most 7.

    >>> bins = NumberBins(np.array([0.5, 2.0]), start=10)
    >>> [bins.of(number) for number in (0.5, 1.0, 3, float("nan"))]
    [10, 11, 12, 13]
    """

    def __init__(self, cuts: Array, start: int) -> None:
        self.null = start + len(cuts) + 1
        self.start, self._cuts = start, cuts
        # A list is faster, but takes 32 bytes a number.
        self._listed: Sequence[float] = cuts.tolist() if len(cuts) < _LISTED else np.ascontiguousarray(cuts).data
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            self._scale = float(_CELLS / (cuts[-1] - cuts[0])) if len(cuts) > _FEW else 0.0
        self._steps = 0
        if 0 < self._scale < np.inf:
            cells = self._cells(cuts)
            self._before = np.searchsorted(cells, np.arange(_CELLS)).astype(np.intp)
            self._steps = int(np.bincount(cells).max())
            self._ends = np.append(cuts, np.inf)

    def of(self, number: float) -> int:
        """Return the bin of a number."""
        return self.start + bisect_left(self._listed, number) if number == number else self.null

    def fill(self, column: Array, out: Array) -> None:
        """Write the bin of each number of a column."""
        if not 0 < self._steps <= 8:
            # searchsorted puts NaN after all cuts, into the bin of larger numbers; the bin of NaN is the next one.
            np.add(self._cuts.searchsorted(column), np.isnan(column), out=out)
        else:
            self._before.take(self._cells(column), out=out, mode="clip")
            for _ in range(self._steps):
                out += self._ends.take(out, mode="clip") < column
            # Comparisons with NaN are false, so NaN is still in the first bin.
            np.copyto(out, len(self._cuts) + 1, where=np.isnan(column))
        out += self.start

    def _cells(self, numbers: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            cells = np.subtract(numbers, self._cuts[0])
            cells *= self._scale
        # fmax and fmin replace NaN by the limit, so that the cast to an integer is defined.
        np.fmax(cells, 0.0, out=cells)
        np.fmin(cells, _CELLS - 1.0, out=cells)
        found: Array = cells.astype(np.intp)
        return found
