"""Sums of trees' leaves, from the sets of leaves that each input leaves over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

__all__ = ["LeafSums"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

# Bytes of a word -> how its one bit is told: by the exponent of the word as a floating-point number.
_FLOATS = {4: (np.float32, np.int32, 23, 126), 8: (np.float64, np.int64, 52, 1022)}


class LeafSums:
    """Sums of leaves' values.

    Parameters
    ----------
    leaves
        Leaf sets, shape (bins, words): of a tree's words, the AND over the inputs has one bit.
    values
        Shape (words, bits + 1, outputs or 1): what each bit adds; the first is that of no bit.
    outputs
        Word -> output that it adds to, -1 for all.
    base
        What each output's sum starts from.
    """

    def __init__(self, leaves: Array, values: Array, outputs: Array, base: Array) -> None:
        self.leaves = leaves
        self.float, self.whole, self.shift, self.none = _FLOATS[leaves.itemsize]
        self.groups: list[tuple[Any, Array, Array]] = []
        for output in range(len(base)):
            words = np.flatnonzero((outputs == output) | (outputs < 0))
            own = values[words][:, :, output if values.shape[2] > 1 else 0].copy()
            # The first sum of all is this one.
            own[0] += base[output]
            # Where a word's values begin, for an exponent of 0.
            offsets = np.arange(len(words)) * own.shape[1] - self.none
            everything = len(words) == leaves.shape[1]
            self.groups.append((slice(None) if everything else words, offsets, own.ravel()))

    def single(self, bins: Sequence[int]) -> list[float]:
        """Return the sum of each output for one row; `bins` are the places of its values in the tables."""
        left = np.bitwise_and.reduce(self.leaves.take(bins, axis=0), axis=0)
        bits = np.maximum(left.astype(self.float).view(self.whole) >> self.shift, self.none)
        return [
            np.add.accumulate(values.take(bits[words] + offsets)).item(-1) for words, offsets, values in self.groups
        ]

    def work(self, rows: int) -> tuple[Array, Array, Array]:
        """Return room for so many rows: allocating it anew for each block takes longer than the sums."""
        words = self.leaves.shape[1]
        left = np.empty((2, rows, words), dtype=self.leaves.dtype)
        return left, np.empty((words, rows), dtype=np.int64), np.empty((words, rows))

    def many(self, bins: Array, sums: Array, work: tuple[Array, Array, Array]) -> None:
        """Write the sums of rows, shape (rows, outputs), of bins of shape (inputs, rows); to the bit as `single`."""
        rows = bins.shape[1]
        left, other = work[0][:, :rows]
        # Every place is in the table; without a mode, NumPy would buffer.
        self.leaves.take(bins[0], axis=0, out=left, mode="clip")
        for each in bins[1:]:
            self.leaves.take(each, axis=0, out=other, mode="clip")
            np.bitwise_and(left, other, out=left)
        numbers = other.view(self.float)
        np.copyto(numbers, left, casting="unsafe")
        bits = numbers.view(self.whole)
        np.right_shift(bits, self.shift, out=bits)
        np.maximum(bits, self.none, out=bits)
        for output, (words, offsets, values) in enumerate(self.groups):
            # From here on a word's rows lie side by side.
            places, added = work[1][: len(offsets), :rows], work[2][: len(offsets), :rows]
            np.add(bits[:, words].T, offsets[:, None], out=places)
            values.take(places, out=added, mode="clip")
            # One after another, as scikit-learn adds: `sum` may add pairwise.
            total = added[0]
            for other_word in added[1:]:
                total += other_word
            sums[:, output] = total
