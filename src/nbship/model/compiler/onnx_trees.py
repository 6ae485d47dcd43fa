"""Ensembles of trees as the ONNX operator of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from .binning import Binned
from .estimators import Ensemble, Tree
from .onnx_writer import Writer
from .trace import Traced

__all__ = ["sum_trees"]

# A test of categories: its column, and which bins go left.
_Test: TypeAlias = tuple[int, bytes]


def sum_trees(graph: Writer, scores: Ensemble, traced: Traced, binned: Binned, bins: Sequence[str]) -> str:
    """Return the sums of trees, which test the values in the bins: all values in a bin pass the same tests."""
    from onnx import numpy_helper

    parts: list[str] = []
    place_of: dict[int | _Test, int] = {}
    masks, tests = _masks(scores, traced, binned)
    for number, place in enumerate(binned.used):
        columns = [column for column, origin in enumerate(traced.origins) if origin.source == place]
        values = binned.values[place][:, columns]
        # Numbers beyond float32 become infinite, as they do in scikit-learn.
        with np.errstate(over="ignore"):
            values = values.astype(np.float32).astype(np.float64) if scores.narrow else values
        own = [key for key in masks if traced.origins[key[0]].source == place]
        keys: list[int | _Test] = [*columns, *own]
        place_of |= {key: len(place_of) + offset for offset, key in enumerate(keys)}
        table = np.column_stack([values, *(masks[key] for key in own)])
        parts.append(graph.add("Gather", graph.constant(table), bins[number], axis=0))
    matrix = graph.add("Concat", *parts, axis=1)
    trees = _Trees()
    for tree, output in scores.trees:
        targets = [output] if output is not None else range(tree.values.shape[1])
        for part, target in enumerate(targets):
            trees.add(tree, tree.values[:, part], target, tests, place_of)
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
    """Return the tests of categories, 0 in the bins that go left, shape (bins,); and which nodes of which trees test so."""
    found, tests = {}, {}
    for tree, _ in scores.trees:
        for node in tree.sets:
            column = int(tree.column[node])
            left = tree.goes_left(node, binned.values[traced.origins[column].source][:, column])
            test = tests[id(tree), node] = (column, left.tobytes())
            found[test] = np.where(left, 0.0, 1.0)
    return found, tests


class _Trees:
    """Trees as the lists that the operator takes."""

    def __init__(self) -> None:
        self.splits: list[float] = []
        self.weights: list[float] = []
        names = ("tree_roots", "nodes_featureids", "nodes_truenodeids", "nodes_trueleafs", "nodes_falsenodeids")
        self.lists: dict[str, list[int]] = {
            name: [] for name in (*names, "nodes_falseleafs", "nodes_missing_value_tracks_true", "leaf_targetids")
        }

    def add(
        self, tree: Tree, values: Any, target: int, tests: Mapping[tuple[int, int], _Test], place_of: Mapping[Any, int]
    ) -> None:
        """Add a tree whose leaves hold `values` for one target."""
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
                place_of[int(tree.column[node]) if test is None else test],
                0.5 if test else float(tree.threshold[node]),
                bool(tree.missing_left[node]),
                where[int(tree.left[node])],
                where[int(tree.right[node])],
            )
        if not inner:
            self._node(0, 0.0, True, where[0], where[0])

    def _node(self, column: int, split: float, missing: bool, left: tuple[int, int], right: tuple[int, int]) -> None:
        self.splits.append(split)
        told = {"nodes_featureids": column, "nodes_missing_value_tracks_true": int(missing)}
        told |= {"nodes_truenodeids": left[0], "nodes_trueleafs": left[1]}
        told |= {"nodes_falsenodeids": right[0], "nodes_falseleafs": right[1]}
        for name, value in told.items():
            self.lists[name].append(value)
