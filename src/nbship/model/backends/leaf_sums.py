"""Sums of trees' leaves, from the sets of leaves that each input leaves over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from .joint_tables import Joints

__all__ = ["LeafSums"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Room: TypeAlias = "tuple[Array, Array, Array]"

# The leaf sets of a block of rows stay near to the core.
_BLOCK_BYTES = 1 << 19
# Bytes of a word -> how its one bit is told: by the exponent of the word as a floating-point number.
_FLOATS = {4: (np.float32, np.int32, 23, 126), 8: (np.float64, np.int64, 52, 1022)}
# So many rows at a time are turned into columns: what they lie in stays near to the core.
_TURNED_ROWS = 256


class LeafSums:
    """Sums of leaves' values.

    Parameters
    ----------
    leaves
        Leaf sets, shape (bins, words): of a tree's words, the AND over the inputs has one bit.
    sizes
        How many bins each input has.
    values
        Shape (words, bits + 1, outputs or 1): what each bit adds; the first is that of no bit.
    outputs
        Word -> output that it adds to, -1 for all.
    base
        What each output's sum starts from.
    """

    def __init__(self, leaves: Array, sizes: Sequence[int], values: Array, outputs: Array, base: Array) -> None:
        self.leaves, self._joints = leaves, Joints(leaves, sizes)
        self.float, self.whole, self.shift, self.none = _FLOATS[leaves.itemsize]
        self.groups: list[tuple[Any, Array, Array]] = []
        for output in range(len(base)):
            words = np.flatnonzero((outputs == output) | (outputs < 0))
            own = values[words][:, :, output if values.shape[2] > 1 else 0].copy()
            # The first sum of all is this one.
            own[0] += base[output]
            # Where a word's values begin, for an exponent of 0.
            offsets = (np.arange(len(words)) * own.shape[1] - self.none).astype(self.whole)
            everything = len(words) == leaves.shape[1]
            self.groups.append((slice(None) if everything else words, offsets, own.ravel()))

    def single(self, bins: Sequence[int]) -> list[float]:
        """Return the sum of each output for one row; `bins` are the places of its values in the tables."""
        left = np.bitwise_and.reduce(self.leaves.take(bins, axis=0), axis=0)
        bits = np.maximum(left.astype(self.float).view(self.whole) >> self.shift, self.none)
        return [
            np.add.accumulate(values.take(bits[words] + offsets)).item(-1) for words, offsets, values in self.groups
        ]

    def room(self, rows: int) -> Room:
        """Return what `many` works in for so many rows: allocating it anew each time takes longer than the sums."""
        words = self.leaves.shape[1]
        block = max(1, min(rows, max(64, _BLOCK_BYTES // self.leaves[0].nbytes)))
        left = np.empty((2, block, words), dtype=self.leaves.dtype)
        return left, np.empty((words, block), dtype=np.int64), np.empty((words, block))

    def many(self, bins: Array, sums: Array, room: Room) -> None:
        """Write the sums of rows, shape (rows, outputs), of bins of shape (inputs, rows); to the bit as `single`."""
        lookups, block = self._joints.lookups(bins), room[0].shape[1]
        for start in range(0, len(sums), block):
            rows = slice(start, start + block)
            self._block([(table, places[rows]) for table, places in lookups], sums[rows], room)

    def _block(self, lookups: Sequence[tuple[Array, Array]], sums: Array, room: Room) -> None:
        rows = len(sums)
        left, other = room[0][:, :rows]
        # Every place is in the table; without a mode, NumPy would buffer.
        table, places = lookups[0]
        table.take(places, axis=0, out=left, mode="clip")
        for table, places in lookups[1:]:
            table.take(places, axis=0, out=other, mode="clip")
            np.bitwise_and(left, other, out=left)
        numbers = other.view(self.float)
        np.copyto(numbers, left, casting="unsafe")
        # A half has the exponent for no bit, and does not change that of others.
        numbers += 0.5
        bits = numbers.view(self.whole)
        np.right_shift(bits, self.shift, out=bits)
        for output, (words, offsets, values) in enumerate(self.groups):
            found = np.add(bits[:, words], offsets, out=left.view(self.whole)[:, : len(offsets)])
            # From here on a word's rows lie side by side.
            turned, added = room[1][: len(offsets), :rows], room[2][: len(offsets), :rows]
            for start in range(0, rows, _TURNED_ROWS):
                np.copyto(turned[:, start : start + _TURNED_ROWS], found[start : start + _TURNED_ROWS].T)
            values.take(turned, out=added, mode="clip")
            sums[:, output] = _added(added)


def _added(values: Array) -> Array:
    """Return the sum of each column, added one after another, as scikit-learn adds: of one alone NumPy may add pairwise."""
    if values.shape[1] == 1:
        return np.asarray(np.add.accumulate(values[:, 0])[-1:])
    # Nought is what NumPy starts from, which takes the sign from a sum of -0.0.
    return np.asarray(np.add.reduce(values, axis=0, initial=-0.0))
