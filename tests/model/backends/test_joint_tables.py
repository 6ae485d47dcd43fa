"""Inputs that are looked up together leave over what they leave over one by one."""

from __future__ import annotations

import numpy as np
import pytest

from nbship.model.backends.joint_tables import Joints


@pytest.mark.parametrize(
    ("sizes", "lookups"), [([3, 200, 4, 2, 90, 5], 3), ([300, 300], 2), ([2] * 12, 2), ([7], 1), ([40, 3], 1)]
)
def test_joints_leave_over_what_their_inputs_do(sizes: list[int], lookups: int) -> None:
    random = np.random.default_rng(5)
    # 128 bytes a bin: 1024 combinations are the most.
    leaves = random.integers(0, 1 << 32, (sum(sizes), 32), dtype=np.uint32)
    joints = Joints(leaves, sizes)
    starts = np.cumsum([0, *sizes])
    bins = np.stack([start + random.integers(0, size, 500) for start, size in zip(starts, sizes, strict=False)])
    found = joints.lookups(bins)
    assert len(found) == lookups
    left = np.bitwise_and.reduce([table[places] for table, places in found])
    assert (left == np.bitwise_and.reduce(leaves[bins])).all()


def test_wide_leaf_sets_are_not_joined() -> None:
    leaves = np.ones((6, 40_000), dtype=np.uint32)
    joints = Joints(leaves, [2, 2, 2])
    found = joints.lookups(np.array([[0], [2], [5]]))
    assert [places.tolist() for _, places in found] == [[0], [0], [1]]
    assert all(np.shares_memory(table, leaves) for table, _ in found)
