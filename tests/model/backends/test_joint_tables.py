"""Joint tables give the same leaf sets as one table per input."""

from __future__ import annotations

import numpy as np
import pytest

from nbship.model.backends.joint_tables import JointTables


@pytest.mark.parametrize(
    ("sizes", "lookups"), [([3, 200, 4, 2, 90, 5], 3), ([300, 300], 2), ([2] * 12, 2), ([7], 1), ([40, 3], 1)]
)
def test_joint_tables_give_the_same_leaves_as_separate_tables(sizes: list[int], lookups: int) -> None:
    random = np.random.default_rng(5)
    # A leaf set has 128 bytes, so a table may have 1024 combinations of bins.
    leaves = random.integers(0, 1 << 32, (sum(sizes), 32), dtype=np.uint32)
    tables = JointTables(leaves, sizes)
    starts = np.cumsum([0, *sizes])
    bins = np.stack([start + random.integers(0, size, 500) for start, size in zip(starts, sizes, strict=False)])
    found = tables.locate(bins)
    assert len(found) == lookups
    left = np.bitwise_and.reduce([table[indices] for table, indices in found])
    assert (left == np.bitwise_and.reduce(leaves[bins])).all()


def test_wide_leaf_sets_have_separate_tables() -> None:
    leaves = np.ones((6, 40_000), dtype=np.uint32)
    tables = JointTables(leaves, [2, 2, 2])
    found = tables.locate(np.array([[0], [2], [5]]))
    assert [indices.tolist() for _, indices in found] == [[0], [0], [1]]
    assert all(np.shares_memory(table, leaves) for table, _ in found)
