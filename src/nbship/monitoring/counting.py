"""Count the values of a window in the bins and categories of the package's reference."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..model.build import Distribution, count
from ..model.signature import Column
from .drift import Counted
from .report import Compared

__all__ = ["compare"]

_GROUPS = 10


def compare(name: str, reference: Distribution, values: Column | None) -> Compared:
    """Count values, in the bins or categories of a reference; without values the field is missing.

    The reference's bins are merged into at most ten of about equal weight, the customary number for the stability
    index, and two for values outside the training data; the Kolmogorov-Smirnov statistic uses the finer bins.
    """
    counted = None if values is None else count(values, reference)
    if reference.kind != "number":
        labels = reference.categories if reference.categories is not None else ("given",)
        before = Counted(
            labels, reference.counts, reference.missing, ordered=False, rare=int(np.sum(reference.counts == 1))
        )
        if reference.kind == "text":
            before = Counted(labels, reference.counts, reference.missing, ordered=False)
        if counted is None:
            return Compared(name, before, None)
        return Compared(name, before, Counted(labels, counted[0], counted[1], ordered=False, new=counted[2]))
    return _numbers(name, reference, counted)


def _numbers(name: str, reference: Distribution, counted: tuple[Column, int, Mapping[str, int]] | None) -> Compared:
    groups = _groups(reference.counts)
    assert reference.edges is not None
    labels = _labels(reference.edges, groups)
    before = Counted(labels, _sums(reference.counts, groups), reference.missing, fine=reference.counts)
    if counted is None:
        return Compared(name, before, None)
    return Compared(name, before, Counted(labels, _sums(counted[0], groups), counted[1], fine=counted[0]))


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
