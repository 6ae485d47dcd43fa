"""Sums of the leaf values of trees, which are walked level by level.

A node is one integer: from the high bits to the low ones, the index of its left child (the right child is the node
before it), the rank of its threshold, and the column that it tests. A value is the number of thresholds of its column
that lie below it, its rank, shifted to the same bits. The node minus the value, without the low bits, is the next node:
if the value has the larger rank and goes right, the subtraction borrows one from the child.

For example, with 4 bits for the rank and 2 for the column, the test "column 1 is at most the third threshold (rank 2),
then node 6, otherwise node 5" is 6 << 6 | 2 << 2 | 1 = 393. A value above two thresholds is 2 << 2 = 8, and (393 - 8)
>> 6 is 6. A value above three is 12, and (393 - 12) >> 6 is 5. The rank of a leaf is the largest, and its child is the
leaf itself, so that a walk stays there.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from .leaf_sums import add_in_order

__all__ = ["Forest"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

# The numbers of rows, and of walks (a row and a tree each), that go on together, so that they stay in the cache of a core.
_ROWS, _WALKS = 1 << 9, 1 << 15
# The level of the first check for walks that have ended, and the levels between two checks.
_FIRST, _LEVELS = 8, 4
# Up to this number of trees, plain Python is faster for one row.
_FEW_TREES = 32


class Forest:
    """Trees over the ranks of values.

    Parameters
    ----------
    sizes
        The number of nodes of each tree. The nodes of a tree are in the order of their levels, right children first.
    is_leaf
        Whether each node is a leaf.
    columns, thresholds
        For each inner node, the column that it tests, and the rank of its threshold.
    leaves
        For each leaf, its index in `values`.
    values
        The different leaf values, shape (values, outputs or 1).
    outputs
        For each tree, the output that its values are added to; -1 for all outputs.
    base
        The initial value of each sum.
    ranks
        The largest rank of a value.
    width
        The number of columns.

    Raises
    ------
    ValueError
        If the arrays are not trees, or a node takes more than 63 bits.
    """

    def __init__(
        self, sizes: Array, is_leaf: Array, columns: Array, thresholds: Array, leaves: Array, values: Array,
        outputs: Array, base: Array, *, ranks: int, width: int,
    ) -> None:  # fmt: skip
        self.base, self.outputs = base, outputs
        self.values = np.ascontiguousarray(values.T)
        self.roots = np.cumsum(np.concatenate([[0], sizes[:-1]])).astype(np.int64)
        children = _children(self.roots, sizes, is_leaf)
        inner = ~is_leaf
        if (
            len(columns) != len(thresholds)
            or len(columns) != inner.sum()
            or len(leaves) != is_leaf.sum()
            or not (_below(columns, width) and _below(thresholds, 1 << 62) and _below(leaves, len(values)))
            or len(outputs) != len(sizes)
        ):
            raise ValueError("its nodes do not fit together")
        highest = max(ranks, 1 + int(thresholds.max(initial=0))).bit_length()
        column_bits, child_bits = max(1, (width - 1).bit_length()), len(is_leaf).bit_length()
        if column_bits + highest + child_bits > 63:
            raise ValueError(f"a node would take {column_bits + highest + child_bits} bits, and has 63")
        self._columns, self._rank, self._child = (1 << column_bits) - 1, column_bits, column_bits + highest
        self._leaf = ((1 << highest) - 1) << column_bits
        self._nodes = children << self._child
        self._nodes[inner] |= (thresholds.astype(np.int64) << self._rank) | columns
        self._nodes[is_leaf] |= self._leaf
        self._listed = self._nodes.data
        self._value_of = np.zeros(len(is_leaf), dtype=np.min_scalar_type(len(values)))
        self._value_of[is_leaf] = leaves

    def shifted(self, ranks: Array) -> Array:
        """Return ranks as integers that compare with nodes."""
        return ranks.astype(np.int64) << self._rank

    def sum_row(self, ranks: Array) -> list[float]:
        """Return the sum of each output for one row, from the shifted rank of each column."""
        ends = self._end_in_python(ranks) if len(self.roots) <= _FEW_TREES else self._ends(self.roots, ranks)
        sums = self.base[None, :].copy()
        self._add(self._value_of.take(ends)[:, None], self.outputs, sums)
        found: list[float] = sums[0].tolist()
        return found

    def add_rows(self, ranks: Array, sums: Array) -> None:
        """Add the leaf values of rows to their sums, shape (rows, outputs), bit for bit as `sum_row` does.

        `ranks` are shifted and have the shape (rows, columns).
        """
        for first in range(0, len(sums), _ROWS):
            part = slice(first, first + _ROWS)
            own, rows = ranks[part].reshape(-1), len(sums[part])
            step = max(1, _WALKS // rows)
            places = np.tile(np.arange(rows) * ranks.shape[1], step)
            for start in range(0, len(self.roots), step):
                roots = self.roots[start : start + step]
                ends = self._ends(np.repeat(roots, rows), own, places[: len(roots) * rows])
                indices = self._value_of.take(ends).reshape(len(roots), rows)
                self._add(indices, self.outputs[start : start + step], sums[part])

    def _ends(self, nodes: Array, ranks: Array, places: Array | None = None) -> Array:
        """Return the leaf of each walk, from its first node; the ranks of its row start at `places`."""
        found, walks, level = nodes, None, 0
        while True:
            tests = self._nodes.take(nodes, mode="clip")
            if level >= _FIRST and level % _LEVELS == 0:
                going = np.flatnonzero((tests & self._leaf) != self._leaf)
                if walks is None:
                    found, walks = nodes, going
                else:
                    found[walks] = nodes
                    walks = walks[going]
                if not len(going):
                    return found
                tests, places = tests[going], None if places is None else places[going]
            columns = tests & self._columns
            if places is not None:
                columns += places
            tests -= ranks.take(columns, mode="clip")
            tests >>= self._child
            nodes, level = tests, level + 1

    def _end_in_python(self, ranks: Array) -> list[int]:
        nodes, values, columns, child = self._listed, ranks.tolist(), self._columns, self._child
        found = []
        for node in self.roots.tolist():
            before = -1
            while node != before:
                before, test = node, nodes[node]
                node = test - values[test & columns] >> child
            found.append(node)
        return found

    def _add(self, indices: Array, outputs: Array, sums: Array) -> None:
        """Add values, shape (trees, rows), to sums in the order of the trees, as scikit-learn does."""
        for output in range(sums.shape[1]):
            own = indices if outputs[0] < 0 else indices[outputs == output]
            added = np.empty((1 + len(own), len(sums)), dtype=sums.dtype)
            added[0] = sums[:, output]
            self.values[output if len(self.values) > 1 else 0].take(own, out=added[1:], mode="clip")
            sums[:, output] = add_in_order(added)


def _children(roots: Array, sizes: Array, is_leaf: Array) -> Array:
    """Return the index of each node's left child, and of a leaf its own.

    In the order of levels, the right child of the first inner node of a tree is its node 1 and the left child its node
    2, those of the second are 3 and 4.
    """
    if not len(sizes) or sizes.min() < 1 or sizes.sum() != len(is_leaf):
        raise ValueError("its trees have other sizes")
    inner = (~is_leaf).astype(np.int64)
    before = np.cumsum(inner) - inner
    before -= np.repeat(before[roots], sizes)
    within = np.arange(len(is_leaf)) - np.repeat(roots, sizes)
    # Each node but the root is a child of an earlier node, so that every walk ends.
    if (2 * before < within).any() or (2 * np.add.reduceat(inner, roots) + 1 != sizes).any():
        raise ValueError("its nodes are not trees")
    return np.where(is_leaf, np.arange(len(is_leaf)), np.repeat(roots, sizes) + 2 * before + 2)


def _below(indices: Array, end: int) -> bool:
    return indices.dtype.kind == "u" and (not len(indices) or int(indices.max()) < end)
