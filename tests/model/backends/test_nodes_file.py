"""Nodes in a file: equal to those that were written, and rejected with one sentence if they are damaged."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from nbship.errors import CorruptPackageError
from nbship.model.backends import Blend, Compiled, Input, Member, Nodes, dump_tables

ABOUT = {"classes": None, "function": None}


def small() -> Nodes:
    """Return two trees over a number x with the tests x <= 1 and x <= 2, and a string.

    The first tree: x <= 1 gives 10, x <= 2 gives 20, otherwise 30. The second tree: "b" gives 1, others 2.
    """
    return Nodes(
        inputs=(Input("x", False, cuts=np.array([1.0, 2.0])), Input("text", True, known=("a", "b"))),
        # Two thresholds: values have rank 0, 1 or 2, and null goes right. The bins of strings: a, b, others, null.
        ranks=(np.array([[0], [1], [2], [2]]), np.array([[1], [0], [1], [1]])),
        sizes=np.array([5, 3], dtype=np.uint32),
        # Level by level, right children first.
        is_leaf=np.array([0, 0, 1, 1, 1, 0, 1, 1], dtype=bool),
        columns=np.array([0, 0, 1], dtype=np.uint8),
        thresholds=np.array([0, 1, 0], dtype=np.uint8),
        leaves=np.array([2, 4, 3, 1, 0], dtype=np.uint8),
        values=np.array([[1.0], [2.0], [10.0], [20.0], [30.0]]),
        outputs=np.array([-1, -1], dtype=np.int32),
        base=np.array([0.5]),
        link="identity",
        divisor=2.0,
    )


def loaded(made: Nodes | Blend) -> Any:
    return Compiled(dump_tables(made, ABOUT), renamed={}, name="nodes").tables


ROWS = [
    (1.0, "a", 6.25),
    (1.5, "b", 10.75),
    (np.nextafter(2, 3), "c", 16.25),
    (float("nan"), None, 16.25),
    (-np.inf, "b", 5.75),
]


@pytest.mark.parametrize(
    "made", [small(), loaded(small()), Blend((Member(small()),)), loaded(Blend((Member(small()),)))]
)
def test_rows_reach_their_leaves(made: Any) -> None:
    for x, text, expected in ROWS:
        assert made.score_row([x, text]) == [expected]
    columns = [np.array([x for x, *_ in ROWS]), np.array([text for _, text, _ in ROWS], dtype=object)]
    assert made.scores(columns).ravel().tolist() == [expected for *_, expected in ROWS]


def test_a_file_holds_the_same_nodes() -> None:
    again = loaded(small())
    for field in fields(Nodes):
        if field.name not in ("inputs", "ranks", "link", "divisor"):
            np.testing.assert_array_equal(getattr(again, field.name), getattr(small(), field.name))
    assert [each.tolist() for each in again.ranks] == [each.tolist() for each in small().ranks]


DAMAGED: list[dict[str, Any]] = [
    {"sizes": np.array([5, 2], dtype=np.uint32)},
    {"sizes": np.array([4, 4], dtype=np.uint32)},
    {"sizes": np.array([], dtype=np.uint32)},
    {"sizes": np.array([8, 0], dtype=np.uint32)},
    # A tree that goes on after its last leaf, and one whose root is a leaf.
    {"is_leaf": np.array([0, 1, 1, 0, 1, 0, 1, 1], dtype=bool)},
    {"is_leaf": np.array([1, 0, 1, 0, 1, 0, 1, 1], dtype=bool)},
    {"columns": np.array([0, 0, 2], dtype=np.uint8)},
    {"columns": np.array([0, 0], dtype=np.uint8)},
    {"columns": np.array([0, 0, -1], dtype=np.int8)},
    {"columns": np.array([0.0, 0.0, 1.0])},
    {"thresholds": np.array([0, 1], dtype=np.uint8)},
    {"thresholds": np.array([0, 1, 2**61], dtype=np.uint64)},
    {"thresholds": np.array([0, 1, -1], dtype=np.int8)},
    {"leaves": np.array([2, 4, 3, 1, 5], dtype=np.uint8)},
    {"leaves": np.array([2, 4, 3], dtype=np.uint8)},
    {"values": np.array([1.0, 2.0])},
    {"values": np.zeros((5, 2))},
    {"values": np.zeros((5, 1), dtype="U3")},
    {"outputs": np.array([-1], dtype=np.int32)},
    {"outputs": np.array([0, 1], dtype=np.int32)},
    {"outputs": np.array([-1, 0], dtype=np.int32)},
    {"base": np.zeros((1, 1))},
    {"ranks": (np.array([[0], [1], [2]]), np.array([[1], [0], [1], [1]]))},
    {"ranks": (np.array([[0], [-1], [2], [2]]), np.array([[1], [0], [1], [1]]))},
    {"ranks": (np.zeros((4, 0), dtype=np.int64), np.array([[1], [0], [1], [1]]))},
    {"inputs": (Input("x", False, cuts=np.array([2.0, 1.0])), Input("text", True, known=("a", "b")))},
    {"link": "cubic"},
    {"divisor": 0.0},
    {"divisor": "2"},
]


@pytest.mark.parametrize("change", DAMAGED, ids=lambda change: f"{next(iter(change))}")
def test_damaged_nodes_are_rejected(change: dict[str, Any]) -> None:
    with pytest.raises(CorruptPackageError, match=r"^'nodes\.npz' cannot be read: .+\. Build the package again\.$"):
        loaded(replace(small(), **change))


@pytest.mark.parametrize("content", [b"", b"PK", dump_tables(small(), ABOUT)[:-50]])
def test_a_damaged_file_is_rejected(content: bytes) -> None:
    with pytest.raises(CorruptPackageError, match=r"'nodes\.npz' cannot be read"):
        Compiled(content, renamed={}, name="nodes")
