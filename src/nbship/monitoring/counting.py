"""Count the values of a window in the bins and categories of the package's reference."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from ..model.build import Distribution, count
from ..model.signature import Column
from .drift import Counted
from .report import Compared

__all__ = ["FieldCounts"]

_GROUPS = 10


class FieldCounts:
    """The values of a field, counted part by part in the bins or categories of the package's reference.

    The reference's bins are merged into at most ten of about equal weight, the customary number for the stability
    index, and two for values outside the training data; the Kolmogorov-Smirnov statistic uses the finer bins.

    Examples
    --------
    >>> counts = FieldCounts("shop", Distribution("category", "input", np.array([2, 3]), 0, categories=("a", "b")))
    >>> counts.add(np.array(["a", "c"], dtype=object))
    >>> counts.add(np.array(["b", "c", None], dtype=object))
    >>> current = counts.compared().current
    >>> current.counts.tolist(), current.missing, current.new
    ([1, 1], 1, {'c': 2})
    """

    def __init__(self, name: str, reference: Distribution) -> None:
        self._name, self._reference = name, reference
        self._counts = np.zeros_like(reference.counts)
        self._missing = 0
        self._new: Counter[str] = Counter()
        self._is_given = False

    def add(self, values: Column | None) -> None:
        """Count the values of a part; None if its rows do not have the field."""
        if values is not None:
            counts, missing, new = count(values, self._reference)
            self._counts, self._missing, self._is_given = self._counts + counts, self._missing + missing, True
            self._new.update(new)

    def compared(self) -> Compared:
        """Return the counts beside those of the reference."""
        if self._reference.kind == "number":
            before, after = self._numbers()
        else:
            before, after = self._categories()
        return Compared(self._name, before, after if self._is_given else None)

    def _categories(self) -> tuple[Counted, Counted]:
        reference = self._reference
        labels = reference.categories if reference.categories is not None else ("given",)
        rare = int(np.sum(reference.counts == 1)) if reference.kind == "category" else 0
        return (
            Counted(labels, reference.counts, reference.missing, ordered=False, rare=rare),
            Counted(labels, self._counts, self._missing, ordered=False, new=dict(self._new)),
        )

    def _numbers(self) -> tuple[Counted, Counted]:
        reference = self._reference
        assert reference.edges is not None
        groups = _groups(reference.counts)
        labels = _labels(reference.edges, groups)
        return (
            Counted(labels, _sums(reference.counts, groups), reference.missing, fine=reference.counts),
            Counted(labels, _sums(self._counts, groups), self._missing, fine=self._counts),
        )


def _groups(counts: Column) -> NDArray[np.intp]:
    """Return the index of the first bin of each group.

    A bin belongs to the tenth of the rows in which it starts. For example, bins with 30, 5, 5 and 60 of 100 rows start
    in the tenths 0, 3, 3 and 4, so the second and third bin form a group.
    """
    total = max(1, int(counts.sum()))
    tenth = (np.cumsum(counts) - counts) * _GROUPS // total
    starts = np.diff(tenth, prepend=-1) != 0
    # Values outside the range of the training data keep a bin of their own.
    starts[1:2] |= counts[0] == 0
    starts[-1] |= counts[-1] == 0
    return np.flatnonzero(starts)


def _sums(counts: Column, groups: NDArray[np.intp]) -> Column:
    return np.add.reduceat(counts, groups)


def _labels(edges: Column, groups: NDArray[np.intp]) -> tuple[str, ...]:
    bounds = [*edges[groups].tolist(), float(edges[-1])]
    return tuple(_label(low, high) for low, high in itertools.pairwise(bounds))


def _label(low: float, high: float) -> str:
    if np.isinf(low) and np.isinf(high):
        return "any"
    if np.isinf(low):
        return f"< {_short(high)}"
    if np.isinf(high):
        return f"> {_short(low)}"
    return f"{_short(low)} – {_short(high)}"


def _short(edge: float) -> str:
    # The lowest edge is the greatest number below the lowest value, which may be zero.
    return "0" if abs(edge) < 1e-300 else f"{edge:.4g}" if abs(edge) >= 100 else f"{edge:.3g}"
