"""Sums of the leaf values of trees, from the leaf sets of the inputs' bins.

The AND of the leaf sets leaves at most one bit in a word, the leaf. The exponent of the word, converted to a
floating-point number, is the index of that bit. For example, with words of 32 bits, bit 5 is the word 32 = 1.0 * 2**5,
whose float32 has the biased exponent 127 + 5 = 132; minus 126 this is 6, the entry of bit 5. A word without a bit,
plus 0.5 = 2**-1, has the exponent 126, which gives entry 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from .joint_tables import JointTables

__all__ = ["LeafSums", "add_in_order"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Buffers: TypeAlias = "tuple[Array, Array, Array]"

# The size limit of the leaf sets of a block of rows, so that they stay in the L2 cache of a core.
_BLOCK_BYTES = 1 << 19
# Bytes of a word -> the float type, the integer type of the same size, the bits of the mantissa, and the biased
# exponent of 0.5.
_FLOATS = {4: (np.float32, np.int32, 23, 126), 8: (np.float64, np.int64, 52, 1022)}
# The number of rows that are transposed at a time, so that they stay in the cache.
_TRANSPOSED_ROWS = 256


class LeafSums:
    """Sums of leaf values.

    Parameters
    ----------
    leaves
        Leaf sets, shape (bins, words). The AND over the inputs has one bit in the words of a tree.
    sizes
        The number of bins of each input.
    values
        The value of each bit, shape (words, bits + 1, outputs or 1); the first entry is for a word without a bit. Their
        sums are of the same type: float64, or float32 for XGBoost.
    outputs
        For each word, the output that its values are added to; -1 for all outputs.
    base
        The initial value of each sum.
    """

    def __init__(self, leaves: Array, sizes: Sequence[int], values: Array, outputs: Array, base: Array) -> None:
        self.leaves, self._tables = leaves, JointTables(leaves, sizes)
        self.type = values.dtype
        self.float, self.integer, self.shift, self.no_leaf = _FLOATS[leaves.itemsize]
        # For one row, NumPy takes longer to convert a Python number than to calculate with it.
        self._half, self._shift = np.array(0.5, self.float), np.array(self.shift, self.integer)
        self.groups: list[tuple[Any, Array, Array]] = []
        for output in range(len(base)):
            words = np.flatnonzero((outputs == output) | (outputs < 0))
            own = values[words][:, :, output if values.shape[2] > 1 else 0].copy()
            # Floating-point addition is not associative: scikit-learn starts from the base, so the first word holds it.
            own[0] += base[output]
            # Adding an exponent to a word's offset gives the entry of the leaf in the flat values.
            offsets = (np.arange(len(words)) * own.shape[1] - self.no_leaf).astype(self.integer)
            everything = len(words) == leaves.shape[1]
            self.groups.append((slice(None) if everything else words, offsets, own.ravel()))

    def sum_row(self, bins: Sequence[int]) -> list[float]:
        """Return the sum of each output for one row; `bins` are the rows of `leaves` that belong to its values."""
        left = np.bitwise_and.reduce(self.leaves.take(bins, axis=0))
        # 0 becomes 0.5, whose exponent means no leaf; the exponents of 1, 2, 4, … do not change.
        bits = (left.astype(self.float) + self._half).view(self.integer) >> self._shift
        return [
            np.add.accumulate(values.take(bits[words] + offsets)).item(-1) for words, offsets, values in self.groups
        ]

    def sum_each(self, bins: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return `sum_row` of a few rows: NumPy is called once for all of them. `bins` has the shape (rows, inputs)."""
        left = np.bitwise_and.reduce(self.leaves.take(bins, axis=0), axis=1)
        bits = (left.astype(self.float) + self._half).view(self.integer) >> self._shift
        sums = [
            np.add.accumulate(values.take(bits[:, words] + offsets), axis=1)[:, -1]
            for words, offsets, values in self.groups
        ]
        found: list[list[float]] = np.stack(sums, axis=1).tolist()
        return found

    def allocate_buffers(self, rows: int) -> Buffers:
        """Return the buffers that `sum_rows` needs; allocating them for each block would take longer than the sums."""
        words = self.leaves.shape[1]
        block = max(1, min(rows, max(64, _BLOCK_BYTES // self.leaves[0].nbytes)))
        left = np.empty((2, block, words), dtype=self.leaves.dtype)
        return left, np.empty((words, block), dtype=np.int64), np.empty((words, block), dtype=self.type)

    def sum_rows(self, bins: Array, sums: Array, buffers: Buffers) -> None:
        """Write the sums of rows to `sums`, shape (rows, outputs), bit for bit those of `sum_row`.

        `bins` has the shape (inputs, rows).
        """
        lookups, block = self._tables.locate(bins), buffers[0].shape[1]
        for start in range(0, len(sums), block):
            rows = slice(start, start + block)
            self._block([(table, indices[rows]) for table, indices in lookups], sums[rows], buffers)

    def _block(self, lookups: Sequence[tuple[Array, Array]], sums: Array, buffers: Buffers) -> None:
        rows = len(sums)
        left, other = buffers[0][:, :rows]
        # All indices are valid; "clip" only avoids the copy that take makes with the default mode.
        table, indices = lookups[0]
        table.take(indices, axis=0, out=left, mode="clip")
        for table, indices in lookups[1:]:
            table.take(indices, axis=0, out=other, mode="clip")
            np.bitwise_and(left, other, out=left)
        numbers = other.view(self.float)
        np.copyto(numbers, left, casting="unsafe")
        # 0 becomes 0.5, whose exponent means no leaf; the exponents of 1, 2, 4, … do not change.
        numbers += 0.5
        bits = numbers.view(self.integer)
        np.right_shift(bits, self.shift, out=bits)
        for output, (words, offsets, values) in enumerate(self.groups):
            found = np.add(bits[:, words], offsets, out=left.view(self.integer)[:, : len(offsets)])
            # Transpose, so that the rows of a word are contiguous for the sum.
            transposed, added = buffers[1][: len(offsets), :rows], buffers[2][: len(offsets), :rows]
            for start in range(0, rows, _TRANSPOSED_ROWS):
                np.copyto(transposed[:, start : start + _TRANSPOSED_ROWS], found[start : start + _TRANSPOSED_ROWS].T)
            values.take(transposed, out=added, mode="clip")
            sums[:, output] = add_in_order(added)


def add_in_order(values: Array) -> Array:
    """Return the sum of each column, added in order as scikit-learn does; NumPy adds a single column pairwise."""
    if values.shape[1] == 1:
        return np.asarray(np.add.accumulate(values[:, 0])[-1:])
    # By default NumPy starts from 0.0, and 0.0 + -0.0 is 0.0: start from -0.0, which keeps the sign.
    return np.asarray(np.add.reduce(values, axis=0, initial=-0.0))
