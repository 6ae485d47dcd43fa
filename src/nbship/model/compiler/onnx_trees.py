"""Ensembles of trees as the ONNX operator `TreeEnsemble`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from .binning import Binned
from .estimators import Ensemble, Tree
from .onnx_writer import Writer
from .trace import Traced

__all__ = ["sum_trees"]

# A categorical split: its column, and whether each bin goes left.
_Test: TypeAlias = tuple[int, bytes]


def sum_trees(graph: Writer, scores: Ensemble, traced: Traced, binned: Binned, bins: Sequence[str]) -> str:
    """Add nodes for the sums of trees, which test one value per bin: all values of a bin pass the same tests."""
    from onnx import numpy_helper

    parts: list[str] = []
    column_of: dict[int | _Test, int] = {}
    masks, tests = _masks(scores, traced, binned)
    for number, index in enumerate(binned.used):
        columns = [column for column, origin in enumerate(traced.origins) if origin.source == index]
        values = binned.values[index].columns(columns)
        # Numbers beyond the range of float32 become infinite, as in scikit-learn.
        with np.errstate(over="ignore"):
            values = values.astype(np.float32).astype(np.float64) if scores.narrow else values
        own = [key for key in masks if traced.origins[key[0]].source == index]
        keys: list[int | _Test] = [*columns, *own]
        column_of |= {key: len(column_of) + offset for offset, key in enumerate(keys)}
        table = np.column_stack([values, *(masks[key] for key in own)])
        parts.append(graph.add("Gather", graph.constant(table), bins[number], axis=0))
    matrix = graph.add("Concat", *parts, axis=1)
    trees = _Trees()
    for tree, output in scores.trees:
        targets = [output] if output is not None else range(tree.values.shape[1])
        for part, target in enumerate(targets):
            trees.add(tree, tree.values[:, part], target, tests, column_of)
    arrays = {"nodes_splits": np.array(trees.splits), "leaf_weights": np.array(trees.weights)}
    sums = graph.add(
        "TreeEnsemble", matrix, domain="ai.onnx.ml", n_targets=len(scores.base), aggregate_function=1, post_transform=0,
        nodes_modes=numpy_helper.from_array(np.zeros(len(trees.splits), dtype=np.uint8)),
        **{name: numpy_helper.from_array(values) for name, values in arrays.items()}, **trees.lists,
    )  # fmt: skip
    if scores.divisor != 1:
        sums = graph.add("Div", sums, graph.constant(np.array(scores.divisor)))
    return graph.add("Add", sums, graph.constant(scores.base[None, :]))


def _masks(scores: Ensemble, traced: Traced, binned: Binned) -> tuple[dict[_Test, Any], dict[tuple[int, int], _Test]]:
    """Return the categorical splits as columns, 0 for bins that go left and 1 for others, and the split of each node."""
    found, tests = {}, {}
    for tree, _ in scores.trees:
        for node in tree.sets:
            column = int(tree.column[node])
            left = tree.goes_left(node, binned.values[traced.origins[column].source].column(column))
            test = tests[id(tree), node] = (column, left.tobytes())
            found[test] = np.where(left, 0.0, 1.0)
    return found, tests


class _Trees:
    """Trees as the attribute lists of the operator."""

    def __init__(self) -> None:
        self.splits: list[float] = []
        self.weights: list[float] = []
        names = ("tree_roots", "nodes_featureids", "nodes_truenodeids", "nodes_trueleafs", "nodes_falsenodeids")
        self.lists: dict[str, list[int]] = {
            name: [] for name in (*names, "nodes_falseleafs", "nodes_missing_value_tracks_true", "leaf_targetids")
        }

    def add(
        self, tree: Tree, values: Any, target: int, tests: Mapping[tuple[int, int], _Test], column_of: Mapping[Any, int]
    ) -> None:
        """Add a tree with leaf values for one target."""
        inner = np.flatnonzero(tree.left >= 0).tolist()
        leaves = np.flatnonzero(tree.left < 0).tolist()
        start, first = len(self.splits), len(self.weights)
        where = {node: (start + number, 0) for number, node in enumerate(inner)}
        where |= {node: (first + number, 1) for number, node in enumerate(leaves)}
        self.weights += values[leaves].tolist()
        self.lists["leaf_targetids"] += [target] * len(leaves)
        self.lists["tree_roots"].append(start)
        for node in inner:
            test = tests.get((id(tree), node))
            self._node(
                column_of[int(tree.column[node]) if test is None else test],
                # A categorical split is a column of 0 and 1.
                0.5 if test else float(tree.threshold[node]),
                bool(tree.missing_left[node]),
                where[int(tree.left[node])],
                where[int(tree.right[node])],
            )
        # The operator has no trees of a single leaf: both sides of a test lead to it.
        if not inner:
            self._node(0, 0.0, True, where[0], where[0])

    def _node(self, column: int, split: float, missing: bool, left: tuple[int, int], right: tuple[int, int]) -> None:
        self.splits.append(split)
        attributes = {"nodes_featureids": column, "nodes_missing_value_tracks_true": int(missing)}
        attributes |= {"nodes_truenodeids": left[0], "nodes_trueleafs": left[1]}
        attributes |= {"nodes_falsenodeids": right[0], "nodes_falseleafs": right[1]}
        for name, value in attributes.items():
            self.lists[name].append(value)
