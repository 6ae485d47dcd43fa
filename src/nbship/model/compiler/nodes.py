"""Compile an ensemble of trees that is too large for lookup tables to its nodes, which compare ranks of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import NotCompilableError
from ..backends import Input, Nodes, Tables
from .binning import Binned, bin_inputs, bisect_ends, mark_reversals
from .compile import compile_tables, obstacle_to_tables
from .estimators import Ensemble, Tree, read_scores
from .trace import Traced

__all__ = ["compile_nodes"]

# The largest size of nodes as arrays, in bytes, and the bytes of a node in them; a larger model uses another backend.
_LARGEST, _NODE_BYTES = 1 << 29, 6


@dataclass(frozen=True)
class _Forest:
    """The nodes of all trees, tree by tree, in the order of their levels; see `backends.Nodes`.

    `tree` and `node` say where each inner node comes from.
    """

    sizes: Any
    is_leaf: Any
    values: Any
    tree: Any
    node: Any
    column: Any
    threshold: Any
    missing_left: Any


@dataclass(frozen=True)
class _Tests:
    """Tests of one column of the matrix which differ in their thresholds alone.

    Attributes
    ----------
    column
        The column of the matrix.
    nodes
        The inner nodes.
    thresholds
        The different thresholds, ascending; empty for a categorical split.
    missing_left
        Whether NaN goes left.
    right
        Of a categorical split: for each bin of steps, whether it goes right.
    """

    column: int
    nodes: Any
    thresholds: Any
    missing_left: bool = False
    right: Any = None


def compile_nodes(estimator: Any, traced: Traced) -> Nodes | Tables:
    """Compile the last step of a traced pipeline to nodes, or to lookup tables if they are small enough.

    Raises
    ------
    NotCompilableError
        With the reason, as a clause.
    """
    scores = read_scores(estimator)
    if not isinstance(scores, Ensemble) or obstacle_to_tables(scores, traced) is None:
        return compile_tables(estimator, traced)
    size = _NODE_BYTES * sum(len(tree.left) for tree, _ in scores.trees)
    forest = _forest([tree for tree, _ in scores.trees]) if size <= _LARGEST else None
    if forest is None:
        raise NotCompilableError(f"its nodes would take {size / 1e6:,.0f} MB")
    mark_reversals(traced, scores)
    binned = bin_inputs(traced, None)
    tests = _tests(scores, forest, traced, binned)
    inputs, ranks = _ranks(scores, tests, traced, binned)
    columns, thresholds = np.zeros(len(forest.node), dtype=np.int64), np.zeros(len(forest.node), dtype=np.int64)
    for number, each in enumerate(tests):
        columns[each.nodes] = number
        if each.right is None:
            thresholds[each.nodes] = np.searchsorted(each.thresholds, forest.threshold[each.nodes])
    leaves, values = _different(forest.values)
    nodes = Nodes(
        inputs,
        ranks,
        sizes=forest.sizes,
        is_leaf=forest.is_leaf,
        columns=_narrowed(columns),
        thresholds=_narrowed(thresholds),
        leaves=_narrowed(leaves),
        values=values,
        outputs=np.array([-1 if output is None else output for _, output in scores.trees], dtype=np.int32),
        base=scores.base,
        link=scores.link,
        divisor=scores.divisor,
    )
    if nodes.bytes > _LARGEST:
        raise NotCompilableError(f"its nodes would take {nodes.bytes / 1e6:,.0f} MB")
    try:
        nodes.check()
    except ValueError as error:
        raise NotCompilableError(str(error)) from error
    return nodes


def _forest(trees: Sequence[Tree]) -> _Forest:
    starts = np.cumsum([0, *(len(tree.left) for tree in trees)])
    offsets = np.repeat(starts[:-1], np.diff(starts))
    left = np.concatenate([tree.left for tree in trees])
    is_leaf, left = left < 0, left + offsets
    right = np.concatenate([tree.right for tree in trees]) + offsets
    level, owner = starts[:-1], np.arange(len(trees))
    levels, owners = [], []
    while len(level):
        levels.append(level)
        owners.append(owner)
        inner = level[~is_leaf[level]]
        owner = np.repeat(owner[~is_leaf[level]], 2)
        level = np.column_stack([right[inner], left[inner]]).ravel()
    owner = np.concatenate(owners)
    order = np.concatenate(levels)[np.argsort(owner, kind="stable")]
    is_leaf = is_leaf[order]
    inner = order[~is_leaf]
    values = np.concatenate([tree.values for tree in trees])
    tree_of = np.searchsorted(starts, inner, side="right") - 1
    return _Forest(
        sizes=np.bincount(owner, minlength=len(trees)).astype(np.uint32),
        is_leaf=is_leaf,
        values=values[order[is_leaf]],
        tree=tree_of,
        node=inner - starts[tree_of],
        column=np.concatenate([tree.column for tree in trees])[inner],
        threshold=np.concatenate([tree.threshold for tree in trees])[inner],
        missing_left=np.concatenate([tree.missing_left for tree in trees])[inner].astype(bool),
    )


def _tests(scores: Ensemble, forest: _Forest, traced: Traced, binned: Binned) -> list[_Tests]:
    """Return the tests, those of the first input first."""
    groups: dict[tuple[int, bool, bytes], list[int]] = {}
    split = np.zeros(len(forest.node), dtype=bool)
    for number, (tree, _) in enumerate(scores.trees):
        if tree.sets:
            own = np.flatnonzero(forest.tree == number)
            for place in own[np.isin(forest.node[own], list(tree.sets))].tolist():
                column, node = int(forest.column[place]), int(forest.node[place])
                origin = traced.origins[column]
                if origin.rising and not traced.sources[origin.source].is_string:
                    raise NotCompilableError("a categorical split tests numbers without an encoder")
                left = tree.goes_left(node, binned.values[origin.source].column(column))
                groups.setdefault((column, False, left.tobytes()), []).append(place)
                split[place] = True
    found = [
        _Tests(column, np.array(nodes), np.empty(0), right=np.frombuffer(left, dtype=bool) ^ True)
        for (column, _, left), nodes in groups.items()
    ]
    order = np.flatnonzero(~split)[np.argsort(forest.column[~split], kind="stable")]
    for nodes in np.split(order, np.flatnonzero(np.diff(forest.column[order])) + 1):
        if not len(nodes):
            continue
        column = int(forest.column[nodes[0]])
        missing = np.isnan(binned.values[traced.origins[column].source].column(column)).any()
        for left in (False, True):
            own = nodes[forest.missing_left[nodes] == left] if missing else nodes
            if len(own) and (missing or not left):
                found.append(_Tests(column, own, np.unique(forest.threshold[own]), missing_left=left))
    if not found:
        raise NotCompilableError("its trees have no tests")
    return sorted(found, key=lambda each: binned.used.index(traced.origins[each.column].source))


def _ranks(
    scores: Ensemble, tests: Sequence[_Tests], traced: Traced, binned: Binned
) -> tuple[tuple[Input, ...], tuple[Any, ...]]:
    """Return the inputs, with the bins of all tests, and the rank of each bin in each group of tests."""
    origins = traced.origins
    ends = _ends(scores, tests, traced)
    inputs, ranks = [], []
    for index, given in zip(binned.used, binned.inputs, strict=True):
        own = [each for each in tests if origins[each.column].source == index]
        steps = np.arange(given.bins)
        if given.cuts is not None:
            cuts = np.unique(np.concatenate([given.cuts, *(ends[id(each)] for each in own if id(each) in ends)]))
            cuts = cuts[np.isfinite(cuts)]
            # The numbers of a bin lie above `below`, and their step bin is known by it; the last bin is null.
            below = np.concatenate([[-np.inf], cuts])
            steps = np.append(np.searchsorted(given.cuts, below, side="right"), given.bins - 1)
            given = Input(given.name, is_string=False, cuts=cuts)
        if given.bins * len(own) * 8 > _LARGEST:
            raise NotCompilableError(
                f"the ranks of '{given.name}' would take {given.bins * len(own) * 8 / 1e6:,.0f} MB"
            )
        table = np.zeros((len(own), given.bins), dtype=np.int32)
        for row, each in zip(table, own, strict=True):
            if each.right is not None:
                row[:] = each.right[steps]
                continue
            values = binned.values[index].column(each.column)
            if scores.narrow:
                with np.errstate(over="ignore"):
                    values = values.astype(np.float32).astype(np.float64)
            missing = 0 if each.missing_left else len(each.thresholds)
            found = np.where(np.isnan(values), missing, np.searchsorted(each.thresholds, values))
            row[:] = found[steps]
            if id(each) in ends:
                # By their values: bins of NaN, and of the numbers that an imputer replaces.
                special = np.isnan(values)[steps[:-1]]
                special[:-1] |= np.isin(cuts, list(traced.sources[index].points))
                row[:-1] = np.where(special, row[:-1], np.searchsorted(ends[id(each)], below, side="right"))
        inputs.append(given)
        ranks.append(table.T)
    return tuple(inputs), tuple(ranks)


def _ends(scores: Ensemble, tests: Sequence[_Tests], traced: Traced) -> Mapping[int, Any]:
    """Return the largest number that passes each threshold, for tests of columns that increase with a numeric source."""
    own = [
        each
        for each in tests
        if each.right is None
        and traced.origins[each.column].rising
        and not traced.sources[traced.origins[each.column].source].is_string
    ]
    if not own:
        return {}
    columns = np.repeat([each.column for each in own], [len(each.thresholds) for each in own])
    found = bisect_ends(columns, np.concatenate([each.thresholds for each in own]), traced, narrow=scores.narrow)
    parts = np.split(found, np.cumsum([len(each.thresholds) for each in own])[:-1])
    return {id(each): part for each, part in zip(own, parts, strict=True)}


def _different(values: Any) -> tuple[Any, Any]:
    """Return the index of each row among the different rows, and these; 0.0 and -0.0 differ."""
    # The index among pairs of an earlier index and the bits of the next column.
    indices = np.zeros(len(values), dtype=np.int64)
    for column in np.ascontiguousarray(values, dtype=np.float64).view(np.int64).T:
        known, own = np.unique(column, return_inverse=True)
        _, indices = np.unique(indices * len(known) + own, return_inverse=True)
    _, first = np.unique(indices, return_index=True)
    return indices, values[first]


def _narrowed(indices: Any) -> Any:
    return indices.astype(np.min_scalar_type(int(indices.max(initial=0))))
