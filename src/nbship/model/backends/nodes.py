"""Ensembles of trees that are too large for lookup tables: their nodes, with NumPy alone.

As for lookup tables, each input is divided into bins, within which every value passes the same tests of all trees. A
table holds, for each bin of an input and each column of the model's matrix that comes from the input, the number of
thresholds of that column below the values of the bin: their rank. The trees compare ranks.

For example, trees test a column, the logarithm of the price, at 1, 2 and 3. The bins of the price end at e, e² and e³,
and have the ranks 0, 1, 2 and 3; the bin of null has the rank of the imputed value. A price of 10 is in the second bin.
Its rank 1 is not larger than that of the threshold 2, which is 1 as well: it goes left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from ..signature import Codes
from .bins import NumberBins, TextBins
from .forest import Forest
from .links import LINKS, score_of_sum, score_of_sums
from .lookup_tables import Input, available_cores

__all__ = ["Nodes"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

# The largest number of rows whose ranks are computed together, and of their ranks: 8 MB.
_ROWS, _RANKS = 1 << 14, 1 << 20
# From this number of walks, a row in a tree each, threads pay off.
_MANY = 1 << 19


@dataclass(frozen=True)
class Nodes:
    """A compiled ensemble of trees, with the interface of `Tables`.

    Attributes
    ----------
    inputs
        The inputs, in the order of the columns of `scores`.
    ranks
        For each input, the rank of each bin in each of its columns, shape (bins, columns).
    sizes, is_leaf, columns, thresholds, leaves, values, outputs, base
        The trees; see `Forest`. The columns are those of the first input, then of the second, and so on.
    link, divisor
        The function from sums to scores; see `score_of_sums`.
    """

    inputs: tuple[Input, ...]
    ranks: tuple[Array, ...]
    sizes: Array
    is_leaf: Array
    columns: Array
    thresholds: Array
    leaves: Array
    values: Array
    outputs: Array
    base: Array
    link: str
    divisor: float = 1.0

    compares = True

    @cached_property
    def forest(self) -> Forest:
        """The trees, ready to walk."""
        return Forest(
            self.sizes,
            self.is_leaf,
            self.columns,
            self.thresholds,
            self.leaves,
            self.values,
            self.outputs,
            self.base,
            ranks=max(int(each.max(initial=0)) for each in self.ranks),
            width=self._width,
        )

    def check(self) -> None:
        """Check that the arrays fit together, and prepare the trees.

        Raises
        ------
        ValueError
            If they do not.
        """
        for each, ranks in zip(self.inputs, self.ranks, strict=True):
            if ranks.ndim != 2 or len(ranks) != each.bins or ranks.min(initial=0) < 0:
                raise ValueError(f"the ranks of '{each.name}' do not fit its bins")
            each.check()
        outputs = len(self.base)
        shared = (self.outputs == -1).all()
        if (
            self.base.dtype != self.values.dtype
            or self.base.dtype not in (np.float64, np.float32)
            or (self.base.ndim, self.values.ndim) != (1, 2)
            or self.values.shape[1] != (outputs if shared else 1)
            or not (shared or (self.outputs.min() >= 0 and self.outputs.max() < outputs))
        ):
            raise ValueError("its values do not fit its outputs")
        if self.link not in LINKS or not self.divisor > 0:
            raise ValueError("it has no function from sums to scores")
        _ = self.forest

    @property
    def bytes(self) -> int:
        """The size of the arrays."""
        cuts = [each.cuts for each in self.inputs if each.cuts is not None]
        arrays = (self.is_leaf, self.columns, self.thresholds, self.leaves, self.values, *self.ranks, *cuts)
        return sum(array.nbytes for array in arrays)

    @property
    def walked_trees(self) -> int:
        """The number of trees that are walked for a row."""
        return len(self.sizes)

    @property
    def _width(self) -> int:
        return sum(each.shape[1] for each in self.ranks)

    @cached_property
    def _shifted(self) -> list[Array]:
        return [self.forest.shifted(each) for each in self.ranks]

    @cached_property
    def _bins(self) -> list[TextBins | NumberBins]:
        return [TextBins(each.known, 0) if each.cuts is None else NumberBins(each.cuts, 0) for each in self.inputs]

    @cached_property
    def _bin_of(self) -> list[tuple[Callable[[Any], int], Array]]:
        return [(bins.of, ranks) for bins, ranks in zip(self._bins, self._shifted, strict=True)]

    def scores(self, columns: Sequence[Array | Codes]) -> Array:
        """Return the scores, shape (rows, outputs); those of a row do not depend on other rows."""
        rows = len(columns[0])
        given = [
            bins.of_codes(column) if isinstance(column, Codes) and isinstance(bins, TextBins) else np.asarray(column)
            for column, bins in zip(columns, self._bins, strict=True)
        ]
        sums = np.repeat(self.base[None, :], rows, axis=0)
        threads = available_cores() if rows * len(self.sizes) >= _MANY else 1
        block = max(64, min(_ROWS, _RANKS // self._width, -(-rows // threads)))
        spans = [slice(start, min(start + block, rows)) for start in range(0, rows, block)]

        def fill(part: Sequence[slice]) -> None:
            for span in part:
                self.forest.add_rows(self._rank([column[span] for column in given]), sums[span])

        if threads == 1:
            fill(spans)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(fill, [spans[number::threads] for number in range(threads)]))
        return score_of_sums(sums, self.link, self.divisor)

    def score_row(self, values: Sequence[Any]) -> list[float]:
        """Return the scores of one row, bit for bit those of `scores`.

        Parameters
        ----------
        values
            A number (NaN for null) or string (None for null) for each input.
        """
        found = [ranks[of(value)] for (of, ranks), value in zip(self._bin_of, values, strict=True)]
        return score_of_sum(self.forest.sum_row(np.concatenate(found)), self.link, self.divisor)

    def score_each(self, rows: Sequence[Sequence[Any]]) -> list[list[float]]:
        """Return `score_row` of several rows."""
        return [self.score_row(values) for values in rows]

    def _rank(self, columns: Sequence[Array]) -> Array:
        """Return the shifted ranks of rows, shape (rows, columns)."""
        bins = np.empty(len(columns[0]), dtype=np.intp)
        found, first = np.empty((len(bins), self._width), dtype=np.int64), 0
        for column, binned, table in zip(columns, self._bins, self._shifted, strict=True):
            binned.fill(column, bins)
            last = first + table.shape[1]
            found[:, first:last] = table.take(bins, axis=0, mode="clip")
            first = last
        return found
