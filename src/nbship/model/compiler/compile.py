"""Compile a fitted pipeline to lookup tables.

scikit-learn computes the entries of the tables: one value of each bin goes through the fitted transformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import NotCompilableError
from ..backends import Tables
from .binning import Binned, bin_inputs
from .column_origins import Origin
from .estimators import Ensemble, Linear, Tree, read_scores
from .trace import Traced, affine_columns

__all__ = ["compile_tables", "fits_tables"]

# The largest size of tables in memory, in bytes; a larger model uses another backend.
_LARGEST = 64 << 20


def compile_tables(estimator: Any, traced: Traced) -> Tables:
    """Compile the last step of a traced pipeline.

    Raises
    ------
    NotCompilableError
        With the reason, as a clause.
    """
    scores = read_scores(estimator)
    if isinstance(scores, Ensemble):
        # Before the bins are searched, which takes long for large trees.
        _check_size(_largest_size(scores, traced))
    binned = bin_inputs(traced, scores)
    return _linear(scores, traced, binned) if isinstance(scores, Linear) else _trees(scores, traced.origins, binned)


def fits_tables(scores: Ensemble, traced: Traced) -> bool:
    """Return whether lookup tables of the trees are small enough."""
    return _largest_size(scores, traced) <= _LARGEST


def _largest_size(scores: Ensemble, traced: Traced) -> int:
    """Return the size of the tables in bytes, if each threshold of a numeric input has a bin of its own."""
    leaves = [int((tree.left < 0).sum()) for tree, _ in scores.trees]
    bits = 32 if max(leaves) <= 32 else 64
    words = sum(-(-each // bits) for each in leaves)
    inner = [tree.left >= 0 for tree, _ in scores.trees]
    columns = np.concatenate([tree.column[each] for (tree, _), each in zip(scores.trees, inner, strict=True)])
    thresholds = np.concatenate([tree.threshold[each] for (tree, _), each in zip(scores.trees, inner, strict=True)])
    most = dict.fromkeys(range(len(traced.sources)), 0)
    for column, origin in enumerate(traced.origins):
        if origin.rising and not traced.sources[origin.source].is_string:
            own = len(np.unique(thresholds[columns == column]))
            most[origin.source] = max(most[origin.source], own)
    return sum(most.values()) * words * bits // 8


def _check_size(size: int) -> None:
    if size > _LARGEST:
        raise NotCompilableError(f"its tables would take {size / 1e6:,.0f} MB")


def _trees(scores: Ensemble, origins: Sequence[Origin], binned: Binned) -> Tables:
    inputs, used, values = binned.inputs, binned.used, binned.values
    leaves = [_leaves(tree) for tree, _ in scores.trees]
    bits = 32 if max(map(len, leaves)) <= 32 else 64
    words = [-(-len(each) // bits) for each in leaves]
    starts = np.cumsum([0, *words])
    bins = np.cumsum([0, *(each.bins for each in inputs)])
    _check_size(int(bins[-1] * starts[-1] * bits // 8))
    table = np.full((bins[-1], starts[-1]), (1 << bits) - 1, dtype=np.uint32 if bits == 32 else np.uint64)
    outputs = scores.trees[0][0].values.shape[1]
    # x + -0.0 is x for every x, but -0.0 + 0.0 is 0.0: only -0.0 adds nothing.
    leaf_values = np.full((starts[-1], bits + 1, outputs), -0.0)
    first = {index: int(bins[number]) for number, index in enumerate(used)}
    narrowed = {
        index: each.astype(np.float32).astype(np.float64) if scores.narrow else each for index, each in values.items()
    }
    for number, (tree, _) in enumerate(scores.trees):
        own = leaves[number]
        flat = np.full((words[number] * bits, outputs), -0.0)
        flat[: len(own)] = tree.values[own]
        span = slice(starts[number], starts[number + 1])
        leaf_values[span, 1:] = flat.reshape(words[number], bits, outputs)
        # The last word may have more bits than there are leaves: clear the spare bits.
        table[:, span] &= _interval(0, len(own), words[number], bits)
        for node, (begin, middle, end) in _spans(tree, own).items():
            column = int(tree.column[node])
            index = origins[column].source
            left = tree.goes_left(node, narrowed[index][:, column])
            rows = slice(first[index], first[index] + len(left))
            # A value that goes left rules out the leaves on the right, and the other way round.
            out = np.where(
                left[:, None],
                _interval(middle, end, words[number], bits),
                _interval(begin, middle, words[number], bits),
            )
            table[rows, span] &= ~out
    return Tables(
        tuple(inputs),
        base=scores.base,
        link=scores.link,
        divisor=scores.divisor,
        leaves=table,
        values=leaf_values,
        outputs=np.repeat([-1 if output is None else output for _, output in scores.trees], words).astype(np.int32),
    )


def _leaves(tree: Tree) -> list[int]:
    """Return the leaves of a tree, from left to right."""
    found, waiting = [], [0]
    while waiting:
        node = waiting.pop()
        if tree.left[node] < 0:
            found.append(node)
        else:
            waiting += [int(tree.right[node]), int(tree.left[node])]
    return found


def _spans(tree: Tree, leaves: Sequence[int]) -> dict[int, tuple[int, int, int]]:
    """Return for each inner node the first leaf below it, the first leaf of its right child, and the end of its leaves."""
    index = {leaf: number for number, leaf in enumerate(leaves)}
    ends: dict[int, tuple[int, int]] = {leaf: (number, number + 1) for leaf, number in index.items()}
    found: dict[int, tuple[int, int, int]] = {}
    waiting = [(0, False)]
    while waiting:
        node, done = waiting.pop()
        if tree.left[node] < 0:
            continue
        left, right = int(tree.left[node]), int(tree.right[node])
        if done:
            ends[node] = (ends[left][0], ends[right][1])
            found[node] = (ends[left][0], ends[right][0], ends[right][1])
        else:
            waiting += [(node, True), (right, False), (left, False)]
    return found


def _interval(begin: int, end: int, words: int, bits: int) -> Any:
    """Return words with the bits from `begin` up to `end` set.

    For example, the interval 30 to 34 sets the last 2 bits of the first word of 32 bits and the first 2 bits of the
    second: [0xC0000000, 0x00000003].
    """
    whole = (1 << end) - (1 << begin)
    every = (1 << bits) - 1
    return np.array(
        [(whole >> (bits * word)) & every for word in range(words)], dtype=np.uint32 if bits == 32 else np.uint64
    )


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
                table[-1] += scores.weights[:, column] * values[index][-1, column]
            else:
                table += values[index][:, column, None] * scores.weights[:, column]
        additions.append(table)
    return Tables(
        tuple(inputs),
        base=scores.base,
        link=scores.link,
        weights=weights,
        centres=centres[list(used)],
        additions=np.concatenate(additions),
    )
