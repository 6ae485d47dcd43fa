"""Whether the arrays of a loaded estimator fit each other, where compiled code follows their indices without a check.

A tree is a list of nodes that name their children. Compiled code follows them as they are: an index beyond the list reads
other memory or ends the process, and a child that comes before its parent never ends. scikit-learn writes children after
their parents. For example, this tree is sound::

    node   left  right  feature
    0      1     2      3         goes to 1 if feature 3 is small
    1      -1    -1     -2        a leaf
    2      -1    -1     -2        a leaf
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CorruptPackageError
from .inner import nested

__all__ = ["check_indices"]

_LEAF = -1


def check_indices(estimator: Any) -> None:
    """Raise CorruptPackageError if a tree, a neighbors index or a support vector machine holds an index beyond its arrays."""
    for each in nested(estimator):
        name = type(each).__name__
        if name in ("KDTree", "BallTree"):
            _require(_is_sound_index(*each.get_arrays()[:3]), name)
        elif hasattr(each, "_predictors") and hasattr(each, "_bin_mapper"):
            for tree in (tree for group in each._predictors for tree in group):
                _require(_is_sound_predictor(tree, each.n_features_in_), name)
        elif type(getattr(each, "tree_", None)).__name__ == "Tree":
            _require(_is_sound_tree(each.tree_, each.n_features_in_), name)
        elif hasattr(each, "_n_support") and hasattr(each, "support_vectors_"):
            _require(_is_sound_machine(each), name)


def _require(sound: bool, name: str) -> None:
    if not sound:
        raise CorruptPackageError(
            f"The model file holds a '{name}' whose arrays do not fit each other. Build the package again."
        )


def _is_sound_tree(tree: Any, features: int) -> bool:
    inner = tree.children_left != _LEAF
    return (
        tree.n_features == features
        and tree.node_count > 0
        and _are_after(tree.children_left, inner)
        and _are_after(tree.children_right, inner)
        and _are_within(tree.feature[inner], features)
    )


def _is_sound_predictor(tree: Any, features: int) -> bool:
    nodes = tree.nodes
    inner = nodes["is_leaf"] == 0
    sets = nodes["bitset_idx"][inner & (nodes["is_categorical"] != 0)]
    return (
        len(nodes) > 0
        and _are_after(nodes["left"], inner)
        and _are_after(nodes["right"], inner)
        and _are_within(nodes["feature_idx"][inner], features)
        and _are_within(sets, len(tree.raw_left_cat_bitsets))
    )


def _is_sound_index(data: Any, order: Any, nodes: Any) -> bool:
    """Check a tree of neighbors: node k has the rows `order[idx_start:idx_end]` and the children 2k + 1 and 2k + 2."""
    nodes, order, rows = np.asarray(nodes), np.asarray(order), len(data)
    start, end, leaf = nodes["idx_start"], nodes["idx_end"], nodes["is_leaf"] != 0
    last = len(nodes) - 1
    return bool(
        len(order) == rows
        and _are_within(order, rows)
        and np.all((start >= 0) & (start <= end) & (end <= rows))
        and np.all(2 * np.flatnonzero(~leaf) + 2 <= last)
    )


def _is_sound_machine(machine: Any) -> bool:
    vectors, counts, coefficients = machine.support_vectors_, machine._n_support, np.asarray(machine._dual_coef_.shape)
    is_classifier, classes = machine._impl in ("c_svc", "nu_svc"), len(counts)
    if classes != (len(machine.classes_) if is_classifier else 2):
        return False
    # One-class and regression machines have two counts, of which the first one counts.
    number = int(np.sum(counts)) if is_classifier else int(counts[0])
    pairs = classes * (classes - 1) // 2
    return bool(
        np.all(np.asarray(counts) >= 0)
        and number == len(machine.support_) == vectors.shape[0] == coefficients[-1]
        and coefficients[0] == (classes - 1 if is_classifier else 1)
        and len(machine._intercept_) == (pairs if is_classifier else 1)
    )


def _are_after(children: NDArray[Any], inner: NDArray[np.bool_]) -> bool:
    """Return whether the children of inner nodes come after their parents, and exist."""
    number = np.arange(len(children))
    found = children.astype(np.int64)
    return bool(np.all((found > number)[inner]) and np.all((found < len(children))[inner]))


def _are_within(index: NDArray[Any], size: int) -> bool:
    found = np.asarray(index).astype(np.int64)
    return bool(np.all((found >= 0) & (found < size)))
