"""Inputs with few bins, joined: one look-up for what were several."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Joints"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

# What the bins of a joint may take: tables are quick while they stay near to the core.
_MOST_BYTES = 1 << 17


class Joints:
    """Leaf sets of inputs, and those of joints of inputs: of each combination of their bins, the AND.

    Parameters
    ----------
    leaves
        Leaf sets, shape (bins, words), of the inputs' bins, one input's after another's.
    sizes
        How many bins each input has.
    """

    def __init__(self, leaves: Array, sizes: Sequence[int]) -> None:
        self._sizes, self._starts = sizes, np.cumsum([0, *sizes]).tolist()
        groups = _groups(sizes, most=_MOST_BYTES // leaves[0].nbytes)
        self._groups = [(group, _combined([self._own(leaves, place) for place in group])) for group in groups]

    def _own(self, leaves: Array, place: int) -> Array:
        return leaves[self._starts[place] : self._starts[place + 1]]

    def lookups(self, bins: Array) -> list[tuple[Array, Array]]:
        """Return each table with the places that rows have in it whose bins have theirs in `leaves`, shape (inputs, rows)."""
        found = []
        for group, table in self._groups:
            places = bins[group[0]] - self._starts[group[0]]
            for place in group[1:]:
                places *= self._sizes[place]
                places += bins[place]
                places -= self._starts[place]
            found.append((table, places))
        return found


def _groups(sizes: Sequence[int], *, most: int) -> list[list[int]]:
    """Return the inputs in groups with no more than so many combinations of bins, the smallest joined first."""
    heap = [(size, [place]) for place, size in enumerate(sizes)]
    heapq.heapify(heap)
    while len(heap) > 1:
        size, group = heapq.heappop(heap)
        if size * heap[0][0] > most:
            heapq.heappush(heap, (size, group))
            break
        other, more = heap[0]
        heapq.heapreplace(heap, (size * other, group + more))
    return [group for _, group in sorted(heap)]


def _combined(tables: Sequence[Array]) -> Array:
    """Return the sets of all combinations, the last input's bins varying first."""
    found = tables[0]
    for table in tables[1:]:
        found = (found[:, None] & table).reshape(-1, table.shape[1])
    return found
