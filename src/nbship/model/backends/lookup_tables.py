"""Models compiled to lookup tables: numbers and strings in, scores out, with NumPy alone.

Each input is divided into bins, within which every value passes the same tests of all trees. For each bin, a table
holds the leaves of every tree that are still possible, as bits. The AND over the inputs leaves one bit per tree, the
leaf. (The idea is that of QuickScorer, Lucchese et al., SIGIR 2015; here the leaf sets of the bins are exact, so that
the order of the leaves does not matter.) A linear model adds a weighted value and a table entry for each input.

For example, a tree tests age <= 30, and on its right side city = Paris; its leaves are bits 0, 1 and 2. Age 40 leaves
the bits 110, and Paris leaves 011. The AND is 010: leaf 1.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from ..signature import Codes
from .bins import NumberBins, TextBins
from .leaf_sums import LeafSums
from .links import LINKS, score_of_sum, score_of_sums

__all__ = ["Input", "Tables", "available_cores", "limit_cores"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

# The number of rows that are binned at a time, so that their bins stay in the cache.
_BINNED_ROWS = 1 << 14
# The number of single rows that are predicted together: for more, their leaf sets leave the cache.
_TOGETHER = 32
# From this number of rows, threads pay off: NumPy releases the interpreter lock while it works.
_MANY = 50_000
_limit: list[int] = []


@dataclass(frozen=True)
class Input:
    """One input: a field, or a feature of the project's function.

    Attributes
    ----------
    name, is_string
        The name, and whether its values are strings; otherwise they are numbers, and null is NaN.
    known
        Of strings: the values with a bin of their own. The next bin is for all others, the last bin for null.
    cuts
        Of numbers: the upper ends of the bins, ascending. The next bin is for larger numbers, the last bin for NaN.
    """

    name: str
    is_string: bool
    known: tuple[str, ...] = ()
    cuts: Array | None = None

    @property
    def bins(self) -> int:
        """The number of bins."""
        return (len(self.known) if self.cuts is None else len(self.cuts)) + 2

    def check(self) -> None:
        """Raise a ValueError if the bins are those of the other type, or not ascending."""
        ascending = self.cuts is None or (
            self.cuts.ndim == 1 and self.cuts.dtype == np.float64 and bool((self.cuts[1:] > self.cuts[:-1]).all())
        )
        if self.is_string != (self.cuts is None) or not ascending or len(set(self.known)) < len(self.known):
            raise ValueError(f"the bins of '{self.name}' are not ascending")


@dataclass(frozen=True)
class Tables:
    """A compiled model.

    Attributes
    ----------
    inputs
        The inputs, in the order of the columns of `scores`; their bins follow each other in the tables.
    base
        The initial value of each sum, shape (outputs,).
    link, divisor
        The function from sums to scores: division, then "identity", "exp", "expit", "expit of twice", "softmax",
        or "decision" (1 for the class with the largest sum, 0 for others; of one sum, its sign).
    leaves, values, outputs
        Of trees: leaf sets, shape (bins, words), and values, shape (words, bits + 1, outputs or 1), the first of which
        means no leaf. `outputs` has, for each word, the output that it adds to; -1 for all outputs.
    weights, centres, additions
        Of linear models: shape (inputs, outputs), (inputs,), (bins, outputs).
    """

    inputs: tuple[Input, ...]
    base: Array
    link: str
    divisor: float = 1.0
    leaves: Array | None = None
    values: Array | None = None
    outputs: Array | None = None
    weights: Array | None = None
    centres: Array | None = None
    additions: Array | None = None

    # No tree is walked; see `Blend`.
    walked_trees = 0

    def check(self) -> None:
        """Check that the arrays fit together.

        Raises
        ------
        ValueError
            If they do not.
        """
        for each in self.inputs:
            each.check()
        inputs, bins, sums = len(self.inputs), sum(each.bins for each in self.inputs), len(self.base)
        if not inputs or self.link not in LINKS or not self.divisor > 0:
            raise ValueError("it has no inputs, or no function from sums to scores")
        shapes: dict[str, tuple[int, ...]] = {"base": (sums,)}
        if self.leaves is None:
            shapes |= {"weights": (inputs, sums), "centres": (inputs,), "additions": (bins, sums)}
        else:
            bits, words = 8 * self.leaves.dtype.itemsize, self.leaves.shape[-1]
            outputs = np.empty(0) if self.outputs is None else self.outputs
            shared = bool((outputs == -1).all())
            shapes |= {"values": (words, bits + 1, sums if shared else 1)}
            if (
                self.leaves.shape != (bins, words)
                or self.leaves.dtype not in (np.uint32, np.uint64)
                or outputs.shape != (words,)
                or not (shared or np.isin(outputs, range(sums)).all())
            ):
                raise ValueError("its leaf sets do not fit its bins and outputs")
        # Only the trees of XGBoost are added in float32.
        kind = np.float32 if self.leaves is not None and self.base.dtype == np.float32 else np.float64
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array is None or array.dtype != kind or array.shape != shape:
                raise ValueError(f"its array '{name}' does not have the shape {shape}")

    @property
    def compares(self) -> bool:
        """Whether the model only compares numbers and never calculates with them."""
        return self.leaves is not None

    @cached_property
    def trees(self) -> LeafSums | None:
        """The sums of leaf values; None for a linear model."""
        if self.leaves is None or self.values is None or self.outputs is None:
            return None
        return LeafSums(self.leaves, [each.bins for each in self.inputs], self.values, self.outputs, self.base)

    @cached_property
    def _bins(self) -> list[TextBins | NumberBins]:
        starts = np.cumsum([0, *(each.bins for each in self.inputs)]).tolist()
        return [
            TextBins(each.known, start) if each.cuts is None else NumberBins(each.cuts, start)
            for each, start in zip(self.inputs, starts, strict=False)
        ]

    @cached_property
    def _bin_of(self) -> list[Callable[[Any], int]]:
        return [bins.of for bins in self._bins]

    def scores(self, columns: Sequence[Array | Codes]) -> Array:
        """Return the scores, shape (rows, outputs); those of a row do not depend on other rows."""
        rows = len(columns[0])
        given = [
            bins.of_codes(column) if isinstance(column, Codes) and isinstance(bins, TextBins) else np.asarray(column)
            for column, bins in zip(columns, self._bins, strict=True)
        ]
        sums = np.empty((rows, len(self.base)), dtype=self.base.dtype)
        threads = available_cores() if rows >= _MANY else 1
        if threads == 1:
            self._fill(given, sums, range(rows))
        else:
            step = -(-rows // threads)
            spans = [range(start, min(start + step, rows)) for start in range(0, rows, step)]
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(lambda span: self._fill(given, sums, span), spans))
        return score_of_sums(sums, self.link, self.divisor)

    def score_row(self, values: Sequence[Any]) -> list[float]:
        """Return the scores of one row, bit for bit those of `scores`.

        Parameters
        ----------
        values
            A number (NaN for null) or string (None for null) for each input.
        """
        bins = [of(value) for of, value in zip(self._bin_of, values, strict=True)]
        trees = self.trees
        sums = trees.sum_row(bins) if trees is not None else self._weigh_row(values, bins)
        return score_of_sum(sums, self.link, self.divisor)

    def score_each(self, rows: Sequence[Sequence[Any]]) -> list[list[float]]:
        """Return `score_row` of several rows, in less time."""
        trees, found = self.trees, list[list[float]]()
        if trees is None:
            return [self.score_row(values) for values in rows]
        for start in range(0, len(rows), _TOGETHER):
            part = rows[start : start + _TOGETHER]
            bins = [[of(value) for of, value in zip(self._bin_of, values, strict=True)] for values in part]
            found += [score_of_sum(sums, self.link, self.divisor) for sums in trees.sum_each(bins)]
        return found

    def _binned(self, columns: Sequence[Array]) -> Array:
        """Return the bin of each input of each row, shape (inputs, rows)."""
        found = np.empty((len(self.inputs), len(columns[0])), dtype=np.intp)
        for out, column, bins in zip(found, columns, self._bins, strict=True):
            bins.fill(column, out)
        return found

    def _fill(self, columns: Sequence[Array], sums: Array, span: range) -> None:
        """Write the sums of a range of rows."""
        buffers = self.trees.allocate_buffers(len(span)) if self.trees is not None else None
        for start in range(span.start, span.stop, _BINNED_ROWS):
            rows = slice(start, min(start + _BINNED_ROWS, span.stop))
            part = [column[rows] for column in columns]
            if self.trees is not None and buffers is not None:
                self.trees.sum_rows(self._binned(part), sums[rows], buffers)
            else:
                sums[rows] = self._weigh(part)

    @cached_property
    def _weighing(self) -> list[tuple[TextBins | NumberBins, Array | None, float]]:
        """For each input of a linear model: its bins, its weights if it has any, and its centre."""
        assert self.weights is not None
        assert self.centres is not None
        return [
            (bins, weights if weights.any() and each.cuts is not None else None, centre)
            for each, bins, weights, centre in zip(
                self.inputs, self._bins, self.weights, self.centres.tolist(), strict=True
            )
        ]

    def _weigh(self, columns: Sequence[Array]) -> Array:
        """Return the sums of a linear model, shape (rows, outputs)."""
        assert self.additions is not None
        # NumPy adds long rows fast, and the short ones of the outputs slowly.
        sums = np.repeat(self.base[:, None], len(columns[0]), axis=1)
        found = np.empty(len(columns[0]), dtype=np.intp)
        for column, (bins, weights, centre) in zip(columns, self._weighing, strict=True):
            number = None if weights is None else np.asarray(column, dtype=np.float64) - centre
            null = np.isnan(number) if number is not None else None
            if null is not None and bins.null - bins.start == 1 and not null.any():
                # All numbers have the same entry.
                sums += self.additions[bins.start][:, None]
            else:
                bins.fill(column, found)
                for own, entries in zip(sums, self.additions.T, strict=True):
                    own += entries.take(found)
            if number is not None and weights is not None:
                number[null] = 0.0
                for own, weight in zip(sums, weights.tolist(), strict=True):
                    own += number * weight
        return sums.T

    def _weigh_row(self, values: Sequence[Any], bins: Sequence[int]) -> list[float]:
        """Return the sums of one row of a linear model, bit for bit those of `_weigh`."""
        assert self.additions is not None
        sums: list[float] = self.base.tolist()
        for value, index, (_, weights, centre) in zip(values, bins, self._weighing, strict=True):
            sums = [each + entry for each, entry in zip(sums, self.additions[index].tolist(), strict=True)]
            if weights is not None:
                number = value - centre if value == value else 0.0
                sums = [each + number * weight for each, weight in zip(sums, weights.tolist(), strict=True)]
        return sums


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if _limit:
        return _limit[0]
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_cores(limit: int) -> None:
    """Limit the cores that this process uses, for a worker beside other workers."""
    _limit[:] = [limit]
