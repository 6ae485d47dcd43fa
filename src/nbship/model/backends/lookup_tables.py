"""Models compiled to tables: numbers and texts in, scores out, with NumPy alone.

Each input is cut into bins between which no test of any tree tells a difference. For each bin, a table holds
for every tree the set of leaves that the input does not rule out, as bits; the AND over the inputs leaves one
bit a tree, the leaf. (The idea is QuickScorer's, Lucchese et al., SIGIR 2015; here the bins' sets are exact,
so that no order of leaves is needed.) A linear model adds a weight and a table entry an input.
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

__all__ = ["Input", "Tables", "cores", "use_cores"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

# Bins of so many rows stay near to the core.
_BINNED_ROWS = 1 << 14
# From so many rows on, threads save more than they cost: NumPy lets others run while it works.
_MANY = 50_000
_most: list[int] = []
# Exponentials of larger numbers may overflow, which is no fault, but warns.
_FAR = 700.0


@dataclass(frozen=True)
class Input:
    """One input: a field, or a feature of the project's function.

    Attributes
    ----------
    name, text
        Whether it holds text; else numbers, where null is NaN.
    known
        Of text: the values with a bin of their own, in the order of the bins. The next bin is for others, the last for null.
    cuts
        Of numbers: upper ends of the bins, ascending. After them come a bin for larger numbers, and one for NaN.
    """

    name: str
    text: bool
    known: tuple[str, ...] = ()
    cuts: Array | None = None

    @property
    def bins(self) -> int:
        """How many bins there are."""
        return (len(self.known) if self.cuts is None else len(self.cuts)) + 2


@dataclass(frozen=True)
class Tables:
    """A compiled model.

    Attributes
    ----------
    inputs
        In the order in which `scores` takes them; their bins follow each other in the tables.
    base
        What each output's sum starts from, shape (outputs,).
    link, divisor
        What is done to the sums: they are divided, then "identity", "exp", "expit", "expit of twice", "softmax",
        or "decision" (1 for the class with the largest sum, 0 for others; of one sum, its sign).
    leaves, values, outputs
        Of trees: leaf sets, shape (bins, words), and values, shape (words, bits + 1, outputs or 1); the first is that of
        no leaf. `outputs`: word -> output that it adds to, -1 for all.
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

    @property
    def compares(self) -> bool:
        """Whether numbers are only compared, and never computed with."""
        return self.leaves is not None

    @cached_property
    def trees(self) -> LeafSums | None:
        """The sums of leaves; None of a linear model."""
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
        """Return the linked sums, shape (rows, outputs); a row's do not depend on the rows beside it."""
        rows = len(columns[0])
        given = [
            bins.of_codes(column) if isinstance(column, Codes) and isinstance(bins, TextBins) else np.asarray(column)
            for column, bins in zip(columns, self._bins, strict=True)
        ]
        sums = np.empty((rows, len(self.base)))
        threads = cores() if rows >= _MANY else 1
        if threads == 1:
            self._fill(given, sums, range(rows))
        else:
            step = -(-rows // threads)
            spans = [range(start, min(start + step, rows)) for start in range(0, rows, step)]
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(lambda span: self._fill(given, sums, span), spans))
        return self._linked(sums)

    def single(self, values: Sequence[Any]) -> list[float]:
        """Return the scores of one row, to the bit those of `scores`.

        Parameters
        ----------
        values
            A number (NaN for null) or text (None for null) for each input.
        """
        bins = [of(value) for of, value in zip(self._bin_of, values, strict=True)]
        trees = self.trees
        if trees is not None:
            sums = trees.single(bins)
        else:
            kinds = [object if each.text else np.float64 for each in self.inputs]
            row = [np.array([value], dtype=kind) for value, kind in zip(values, kinds, strict=True)]
            sums = self._weighted(row, np.array(bins)[:, None])[0].tolist()
        if self.link == "expit" and sums[0] > -_FAR:
            chance = 1 / (1 + np.exp(-sums[0]).item())
            return [1 - chance, chance]
        found: list[float] = self._linked(np.array([sums]))[0].tolist()
        return found

    def _placed(self, columns: Sequence[Array]) -> Array:
        """Return the place in the tables of each row's value of each input, shape (inputs, rows)."""
        found = np.empty((len(self.inputs), len(columns[0])), dtype=np.intp)
        for out, column, bins in zip(found, columns, self._bins, strict=True):
            bins.fill(column, out)
        return found

    def _fill(self, columns: Sequence[Array], sums: Array, span: range) -> None:
        """Write the sums of a span of rows."""
        room = self.trees.room(len(span)) if self.trees is not None else None
        for start in range(span.start, span.stop, _BINNED_ROWS):
            rows = slice(start, min(start + _BINNED_ROWS, span.stop))
            part = [column[rows] for column in columns]
            if self.trees is not None and room is not None:
                self.trees.many(self._placed(part), sums[rows], room)
            else:
                sums[rows] = self._weighted(part, self._placed(part))

    def _weighted(self, columns: Sequence[Array], bins: Array) -> Array:
        assert self.weights is not None
        assert self.centres is not None
        assert self.additions is not None
        sums = np.repeat(self.base[None, :], bins.shape[1], axis=0)
        for place, column in enumerate(columns):
            sums += self.additions[bins[place]]
            if self.inputs[place].cuts is not None and self.weights[place].any():
                number = np.asarray(column, dtype=np.float64) - self.centres[place]
                sums += np.where(np.isnan(number), 0.0, number)[:, None] * self.weights[place]
        return sums

    def _linked(self, sums: Array) -> Array:
        if self.divisor != 1.0:
            sums = sums / self.divisor
        if self.link == "decision":
            chosen = sums.argmax(axis=1) if sums.shape[1] > 1 else (sums[:, 0] > 0).astype(np.intp)
            return np.asarray(chosen[:, None] == np.arange(max(2, sums.shape[1])), dtype=np.float64)
        with np.errstate(over="ignore"):
            if self.link == "exp":
                return np.asarray(np.exp(sums))
            if self.link in ("expit", "expit of twice"):
                chance = 1 / (1 + np.exp(-sums if self.link == "expit" else -2 * sums))
                return np.concatenate([1 - chance, chance], axis=1)
            if self.link == "softmax":
                powers = np.exp(sums - sums.max(axis=1, keepdims=True))
                # Column by column: a sum along rows may add in an order that hangs on their number.
                total = powers[:, 0].copy()
                for output in range(1, powers.shape[1]):
                    total += powers[:, output]
                return np.asarray(powers / total[:, None])
        return sums


def cores() -> int:
    """Return how many cores this process may use."""
    if _most:
        return _most[0]
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_cores(most: int) -> None:
    """Let this process use no more than so many: others work beside it."""
    _most[:] = [most]
