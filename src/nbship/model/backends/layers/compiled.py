"""Models of matrix products, such as networks: the columns of a matrix from lookup tables, then layers, with NumPy alone.

The bin of an input has an entry for each column of the matrix that comes from the input; a weighted number is added to
it. For example, a field is scaled by (x - 20) / 5: its bin of numbers has the entry 0 and the weight 1 / 5 with the
centre 20, and its bin of null the scaled median.

The order of addition in a matrix product depends on the shape of the matrices. Rows are therefore multiplied in blocks
of one shape: `np.matmul` multiplies a stack of blocks, one after the other. For example, 100 rows are two blocks of 64
rows, the second filled up with zeros, and one row is one block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from ...signature import Codes
from ..bins import NumberBins, TextBins
from ..links import LINKS, score_of_sum, score_of_sums
from ..lookup_tables import Input, available_cores
from .kinds import KINDS

__all__ = ["Layer", "Layers"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

# The number of rows of a block, and of a model with a matrix of more than _MOST numbers, for which a block takes long.
_BLOCK, _SMALL_BLOCK, _MOST = 64, 32, 1 << 17
# The number of rows whose columns are filled together, and of the rows that go through the layers together.
_FILLED, _TOGETHER = 1 << 14, 1 << 10
# From this number of rows, threads pay off.
_MANY = 1 << 14


@dataclass(frozen=True)
class Layer:
    """A step of the calculation: one of the functions of `kinds`, and its arrays."""

    kind: str
    arrays: tuple[Array, ...] = ()


@dataclass(frozen=True)
class Layers:
    """A compiled model, with the interface of `Tables`.

    Attributes
    ----------
    inputs
        The inputs, in the order of the columns of `scores`.
    centres
        The centre of each input.
    entries, slopes
        For each input, the entries of its bins, shape (bins, own columns), and the weight of its number in its columns.
    layers
        The layers, from the matrix to the sums.
    link
        The function from sums to scores; see `score_of_sums`.
    """

    inputs: tuple[Input, ...]
    centres: Array
    entries: tuple[Array, ...]
    slopes: tuple[Array, ...]
    layers: tuple[Layer, ...]
    link: str
    divisor: float = 1.0

    # No tree is walked; see `Blend`.
    walked_trees = 0
    compares = False

    def check(self) -> None:
        """Check that the arrays fit together.

        Raises
        ------
        ValueError
            If they do not.
        """
        if not self.inputs or self.centres.shape != (len(self.inputs),) or self.link not in LINKS:
            raise ValueError("it has no inputs, or no function from sums to scores")
        for each, entries, slopes in zip(self.inputs, self.entries, self.slopes, strict=True):
            each.check()
            if entries.ndim != 2 or len(entries) != each.bins or slopes.shape != entries.shape[1:]:
                raise ValueError(f"the columns of '{each.name}' do not fit its bins")
        arrays = [self.centres, *self.entries, *self.slopes, *(array for each in self.layers for array in each.arrays)]
        if any(array.dtype not in (np.float64, np.int64) for array in arrays):
            raise ValueError("its arrays are not numbers in double precision")
        with np.errstate(all="ignore"):
            sums = self._through(np.zeros((self._block, self._width)))
        if sums.ndim != 2 or len(sums) != self._block or sums.dtype != np.float64:
            raise ValueError("its layers do not fit together")

    @cached_property
    def _width(self) -> int:
        return sum(map(len, self.slopes))

    @cached_property
    def _block(self) -> int:
        largest = max((array.size for each in self.layers for array in each.arrays), default=0)
        return _BLOCK if largest <= _MOST else _SMALL_BLOCK

    @cached_property
    def _bins(self) -> list[TextBins | NumberBins]:
        return [TextBins(each.known, 0) if each.cuts is None else NumberBins(each.cuts, 0) for each in self.inputs]

    @cached_property
    def _parts(self) -> list[tuple[Callable[[Any], int], Array, Array | None, float]]:
        """For each input: its bins, its entries, its slopes if it has any, and its centre."""
        return [
            (bins.of, entries, slopes if slopes.any() else None, centre)
            for bins, entries, slopes, centre in zip(
                self._bins, self.entries, self.slopes, self.centres.tolist(), strict=True
            )
        ]

    def scores(self, columns: Sequence[Array | Codes]) -> Array:
        """Return the scores, shape (rows, outputs); those of a row do not depend on other rows."""
        rows = len(columns[0])
        given = [
            bins.of_codes(column) if isinstance(column, Codes) and isinstance(bins, TextBins) else np.asarray(column)
            for column, bins in zip(columns, self._bins, strict=True)
        ]
        threads = available_cores() if rows >= _MANY else 1
        step = min(_FILLED, -(-rows // threads)) or 1
        parts = [[column[start : start + step] for column in given] for start in range(0, max(1, rows), step)]
        with np.errstate(over="ignore", invalid="ignore"):
            if threads == 1:
                found = [self._sums(part) for part in parts]
            else:
                with ThreadPoolExecutor(threads) as pool:
                    found = list(pool.map(self._sums, parts))
            return score_of_sums(np.concatenate(found), self.link, self.divisor)

    def score_row(self, values: Sequence[Any]) -> list[float]:
        """Return the scores of one row, bit for bit those of `scores`.

        Parameters
        ----------
        values
            A number (NaN for null) or string (None for null) for each input.
        """
        return self.score_each([values])[0]

    def score_each(self, rows: Sequence[Sequence[Any]]) -> list[list[float]]:
        """Return `score_row` of several rows, in less time: they share blocks."""
        found: list[list[float]] = []
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(rows), self._block):
                matrix, part = np.zeros((self._block, self._width)), rows[start : start + self._block]
                for row, values in zip(matrix, part, strict=False):
                    self._fill_row(row, values)
                sums = self._through(matrix)[: len(part)].tolist()
                found += [score_of_sum(each, self.link, self.divisor) for each in sums]
        return found

    def _fill_row(self, row: Array, values: Sequence[Any]) -> None:
        first = 0
        for value, (of, entries, slopes, centre) in zip(values, self._parts, strict=True):
            own = entries[of(value)]
            if slopes is not None and value == value:
                own = own + (value - centre) * slopes
            row[first : first + len(own)] = own
            first += len(own)

    def _sums(self, columns: Sequence[Array]) -> Array:
        """Return the sums of some rows."""
        rows = len(columns[0])
        matrix = np.zeros((-(-rows // self._block) * self._block, self._width))
        bins, first = np.empty(rows, dtype=np.intp), 0
        for column, binned, (_, entries, slopes, centre) in zip(columns, self._bins, self._parts, strict=True):
            own = matrix[:rows, first : first + entries.shape[1]]
            first += entries.shape[1]
            number = None if slopes is None else np.asarray(column, dtype=np.float64) - centre
            if number is not None and slopes is not None and len(entries) == 2 and not (null := np.isnan(number)).any():
                # The entries of all numbers are the same.
                np.add(entries[0], number[:, None] * slopes, out=own)
                continue
            binned.fill(column, bins)
            own[...] = entries.take(bins, axis=0)
            if number is not None and slopes is not None:
                null = np.isnan(number)
                own[~null] += number[~null, None] * slopes
        return np.concatenate(
            [self._through(matrix[start : start + _TOGETHER]) for start in range(0, max(1, len(matrix)), _TOGETHER)]
        )[:rows]

    def _through(self, matrix: Array) -> Array:
        for each in self.layers:
            matrix = KINDS[each.kind](matrix, self._block, *each.arrays)
        return matrix
