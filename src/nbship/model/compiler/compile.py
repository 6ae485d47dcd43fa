"""Compile a fitted pipeline to lookup tables.

scikit-learn computes the entries of the tables: one value of each bin goes through the fitted transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ...errors import NotCompilableError
from ..backends import Tables
from .binning import Binned, bin_inputs
from .column_origins import Origin
from .estimators import Ensemble, Linear, Tree, read_scores
from .trace import Traced, affine_columns

__all__ = ["compile_tables", "obstacle_to_tables"]

# The largest size of tables in memory, in bytes; a larger model uses another backend.
_LARGEST = 64 << 20
# The largest number of leaves of a tree: a row reads a bit of each, and walks the nodes of a larger tree faster.
_MOST_LEAVES = 1 << 12


def compile_tables(estimator: Any, traced: Traced) -> Tables:
    """Compile the last step of a traced pipeline.

    Raises
    ------
    NotCompilableError
        With the reason, as a clause.
    """
    scores = read_scores(estimator)
    # Before the bins are searched, which takes long for large trees.
    if isinstance(scores, Ensemble) and (obstacle := obstacle_to_tables(scores, traced)) is not None:
        raise NotCompilableError(obstacle)
    binned = bin_inputs(traced, scores)
    return _linear(scores, traced, binned) if isinstance(scores, Linear) else _trees(scores, traced.origins, binned)


def obstacle_to_tables(scores: Ensemble, traced: Traced) -> str | None:
    """Return why trees are too large for lookup tables, as a clause; None if they are not."""
    size = _largest_size(scores, traced)
    most = max(int((tree.left < 0).sum()) for tree, _ in scores.trees)
    if size > _LARGEST:
        return f"its tables would take {size / 1e6:,.0f} MB"
    return f"a tree has {most:,} leaves, more than {_MOST_LEAVES:,}" if most > _MOST_LEAVES else None


def _largest_size(scores: Ensemble, traced: Traced) -> int:
    """Return the size of the tables in bytes, if each threshold of a numeric column has a bin of its own."""
    leaves = [int((tree.left < 0).sum()) for tree, _ in scores.trees]
    bits = 32 if max(leaves) <= 32 else 64
    words = sum(-(-each // bits) for each in leaves)
    inner = [tree.left >= 0 for tree, _ in scores.trees]
    columns = np.concatenate([tree.column[each] for (tree, _), each in zip(scores.trees, inner, strict=True)])
    thresholds = np.concatenate([tree.threshold[each] for (tree, _), each in zip(scores.trees, inner, strict=True)])
    bins = 0
    for index in {origin.source for origin in traced.origins}:
        bins += 2 + max(len(traced.domains.get(index, [])), len(traced.sources[index].steps))
    for column in np.unique(columns).tolist():
        origin = traced.origins[column]
        if origin.rising and not traced.sources[origin.source].is_string:
            bins += len(np.unique(thresholds[columns == column]))
    return bins * words * bits // 8


def _trees(scores: Ensemble, origins: Sequence[Origin], binned: Binned) -> Tables:
    inputs, used, values = binned.inputs, binned.used, binned.values
    leaves = [int((tree.left < 0).sum()) for tree, _ in scores.trees]
    bits = 32 if max(leaves) <= 32 else 64
    words = [-(-each // bits) for each in leaves]
    starts = np.cumsum([0, *words])
    ends = np.cumsum([each.bins for each in inputs])
    rows = {index: slice(end - each.bins, end) for index, each, end in zip(used, inputs, ends.tolist(), strict=True)}
    table = np.zeros((ends[-1], starts[-1]), dtype=np.uint32 if bits == 32 else np.uint64)
    outputs = scores.trees[0][0].values.shape[1]
    # x + -0.0 is x for every x, but -0.0 + 0.0 is 0.0: only -0.0 adds nothing.
    leaf_values = np.full((starts[-1], bits + 1, outputs), -0.0, dtype=scores.base.dtype)

    def passed(tree: Tree, node: int) -> tuple[slice, Any]:
        column = int(tree.column[node])
        index = origins[column].source
        own = values[index].column(column)
        return rows[index], tree.goes_left(node, own.astype(np.float32).astype(np.float64) if scores.narrow else own)

    for (tree, _), start in zip(scores.trees, starts.tolist(), strict=False):
        for number, (leaf, possible) in enumerate(_leaves(tree, int(ends[-1]), partial(passed, tree))):
            word, bit = start + number // bits, number % bits
            leaf_values[word, 1 + bit] = tree.values[leaf]
            # The bins whose bit differs from that of the bin before.
            table[np.flatnonzero(np.diff(possible, prepend=False)), word] ^= table.dtype.type(1 << bit)
    np.bitwise_xor.accumulate(table, axis=0, out=table)
    return Tables(
        tuple(inputs),
        base=scores.base,
        link=scores.link,
        divisor=scores.divisor,
        leaves=table,
        values=leaf_values,
        outputs=np.repeat([-1 if output is None else output for _, output in scores.trees], words).astype(np.int32),
    )


def _leaves(tree: Tree, bins: int, passed: Callable[[int], tuple[slice, Any]]) -> Iterator[tuple[int, Any]]:
    """Yield the leaves of a tree, from left to right, each with the bins for which it is possible.

    Parameters
    ----------
    passed
        Returns the bins of the input that a node tests, and whether each of them goes left.
    """
    waiting = [(0, np.ones(bins, dtype=bool))]
    while waiting:
        node, possible = waiting.pop()
        if tree.left[node] < 0:
            yield node, possible
            continue
        rows, left = passed(node)
        right = possible.copy()
        right[rows] &= ~left
        possible[rows] &= left
        waiting += [(int(tree.right[node]), right), (int(tree.left[node]), possible)]


def _linear(scores: Linear, traced: Traced, binned: Binned) -> Tables:
    inputs, used, values, origins = binned.inputs, binned.used, binned.values, traced.origins
    outputs = len(scores.base)
    weights = np.zeros((len(used), outputs))
    affine, centres, at_centres = affine_columns(traced)
    additions = []
    for number, index in enumerate(used):
        table = np.zeros((inputs[number].bins, outputs))
        for column, origin in enumerate(origins):
            if origin.source != index:
                continue
            if affine[column]:
                weights[number] += scores.weights[:, column] * origin.slope
                # The last bin is null, which has no number to be weighted.
                table[:-1] += scores.weights[:, column] * at_centres[column]
                table[-1] += scores.weights[:, column] * values[index].column(column)[-1]
            else:
                bins, own = values[index].nonzero(column)
                table[bins] += own[:, None] * scores.weights[:, column]
        additions.append(table)
    return Tables(
        tuple(inputs),
        base=scores.base,
        link=scores.link,
        weights=weights,
        centres=centres[list(used)],
        additions=np.concatenate(additions),
    )
