"""Joint tables: one lookup table for several inputs with few bins, instead of a table for each.

For example, inputs with 3 and 4 bins share a table of 12 entries. A row in bin 2 of the first and bin 1 of the second
reads entry 2 * 4 + 1 = 9, which holds the AND of the leaf sets of the two bins.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

__all__ = ["JointTables"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

# The size limit of a joint table, so that it stays in the L2 cache of a core.
_MOST_BYTES = 1 << 17


class JointTables:
    """Leaf sets of groups of inputs: for each combination of their bins, the AND of the leaf sets.

    Parameters
    ----------
    leaves
        The leaf set of each bin, shape (bins, words); the bins of an input follow those of the input before it.
    sizes
        The number of bins of each input.
    """

    def __init__(self, leaves: Array, sizes: Sequence[int]) -> None:
        self._sizes, self._starts = sizes, np.cumsum([0, *sizes]).tolist()
        groups = _groups(sizes, most=_MOST_BYTES // leaves[0].nbytes)
        self._groups = [(group, _combined([self._own(leaves, index) for index in group])) for group in groups]

    def _own(self, leaves: Array, index: int) -> Array:
        return leaves[self._starts[index] : self._starts[index + 1]]

    def locate(self, bins: Array) -> list[tuple[Array, Array]]:
        """Return each joint table with the entry of each row, given the rows' bins, shape (inputs, rows)."""
        found = []
        for group, table in self._groups:
            indices = bins[group[0]] - self._starts[group[0]]
            for index in group[1:]:
                indices *= self._sizes[index]
                indices += bins[index]
                indices -= self._starts[index]
            found.append((table, indices))
        return found


def _groups(sizes: Sequence[int], *, most: int) -> list[list[int]]:
    """Group the inputs, smallest first, so that no group has more than `most` combinations of bins."""
    heap = [(size, [index]) for index, size in enumerate(sizes)]
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
    """Return the leaf sets of all combinations; the bin of the last input varies fastest."""
    found = tables[0]
    for table in tables[1:]:
        found = (found[:, None] & table).reshape(-1, table.shape[1])
    return found
