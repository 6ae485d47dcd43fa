"""Inputs cut into bins between which no test of a model tells a difference.

Where the bins end is found by bisection over the floating-point numbers, so that imputing, scaling and rounding to
float32 are folded into the trees' thresholds without a rounding of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import NotCompilableError
from ..backends import Input
from .column_origins import Origin, Source
from .estimators import Ensemble, Linear
from .trace import UNSEEN, Traced, objects

__all__ = ["Binned", "bin_inputs"]

_MOST = np.finfo(np.float64).max


@dataclass(frozen=True)
class Binned:
    """Inputs cut into bins, and the matrix in each of them.

    Attributes
    ----------
    used
        The sources that the matrix is made of.
    inputs
        Their bins.
    values
        Source -> the matrix's rows in its bins, shape (bins, columns); other sources' columns are meaningless there.
    """

    used: Sequence[int]
    inputs: Sequence[Input]
    values: Mapping[int, Any]


def bin_inputs(traced: Traced, scores: Ensemble | Linear | None) -> Binned:
    """Cut the inputs into bins between which no test of the trees, and no step of a transformer, tells a difference."""
    used = sorted({origin.source for origin in traced.origins})
    if not used:
        raise NotCompilableError("the model takes no column")
    cuts = _cuts(traced, scores)
    inputs, samples = [], []
    for place, source in enumerate(traced.sources):
        if source.text:
            texts = traced.domains.get(place, [])
            known = tuple(text for text in texts if text != UNSEEN)
            inputs.append(Input(source.name, True, known=known))
            # Where no other text may come, or no null, these bins are never used: any value will do.
            fill = texts[0] if texts else None
            other = UNSEEN if UNSEEN in texts or not texts else fill
            samples.append(objects([*known, other, None if place in traced.nullable else fill]))
        else:
            inputs.append(Input(source.name, False, cuts=cuts[place]))
            beyond = np.nextafter(cuts[place][-1], np.inf) if len(cuts[place]) else 0.0
            null = np.nan if place in traced.nullable else 0.0
            samples.append(np.concatenate([cuts[place], [beyond, null]]))
    most = max(map(len, samples))
    matrix = traced.values_of([_padded(sample, most) for sample in samples])
    if matrix.shape[1] != len(traced.origins):
        raise NotCompilableError("the transformers give other columns than their types say")
    return Binned(used, [inputs[place] for place in used], {place: matrix[: inputs[place].bins] for place in used})


def _padded(values: Any, length: int) -> Any:
    return values[np.minimum(np.arange(length), len(values) - 1)]


def _cuts(traced: Traced, scores: Ensemble | Linear | None) -> dict[int, Any]:
    """Return where the bins of each number end."""
    sources, origins = traced.sources, traced.origins
    found = {place: set(source.steps) for place, source in enumerate(sources) if not source.text}
    wanted = _thresholds(scores, origins, sources) if isinstance(scores, Ensemble) else []
    exact = [pair for pair in wanted if origins[pair[0]].same and not scores.narrow] if wanted else []  # type: ignore[union-attr]
    for column, threshold in exact:
        found[origins[column].source].add(threshold)
    if searched := sorted(set(wanted) - set(exact)):
        assert isinstance(scores, Ensemble)
        ends = _bisect(searched, traced, narrow=scores.narrow)
        for (column, _), end in zip(searched, ends, strict=True):
            if np.isfinite(end):
                found[origins[column].source].add(end)
    return {place: np.array(sorted(ends), dtype=np.float64) for place, ends in found.items()}


def _thresholds(scores: Ensemble, origins: Sequence[Origin], sources: Sequence[Source]) -> list[tuple[int, float]]:
    """Return the tests (column, threshold) on columns that rise with a number."""
    found = set()
    for tree, _ in scores.trees:
        for node in np.flatnonzero(tree.left >= 0).tolist():
            column = int(tree.column[node])
            if origins[column].rising and not sources[origins[column].source].text:
                if node in tree.sets:
                    raise NotCompilableError("a category holds numbers that no encoder knows")
                found.add((column, float(tree.threshold[node])))
    return sorted(found)


def _bisect(pairs: Sequence[tuple[int, float]], traced: Traced, *, narrow: bool) -> Any:
    """Return for each test the largest number that passes it; infinite where all or none do."""
    sources, origins = traced.sources, traced.origins
    columns = np.array([column for column, _ in pairs])
    thresholds = np.array([threshold for _, threshold in pairs])
    owners = np.array([origins[column].source for column, _ in pairs])
    rows = np.empty(len(pairs), dtype=np.int64)
    for owner in np.unique(owners):
        rows[owners == owner] = np.arange((owners == owner).sum())
    simple = all(origins[column].same for column in columns)

    def passes(numbers: Any) -> Any:
        if simple:
            values = numbers
        else:
            given = []
            for place, source in enumerate(sources):
                if source.text:
                    given.append(objects([traced.first_text(place)] * (int(rows.max()) + 1)))
                else:
                    column = np.zeros(int(rows.max()) + 1)
                    column[rows[owners == place]] = numbers[owners == place]
                    given.append(column)
            values = traced.values_of(given)[rows, columns]
        with np.errstate(over="ignore"):
            return (values.astype(np.float32).astype(np.float64) if narrow else values) <= thresholds

    low, high = np.full(len(pairs), _order(-_MOST)), np.full(len(pairs), _order(_MOST))
    none, everything = ~passes(_number(low)), passes(_number(high))
    while (low < high).any():
        # The upper middle, without overflow.
        middle = (low | high) - ((low ^ high) >> 1)
        right = passes(_number(middle))
        low, high = np.where(right, middle, low), np.where(right, high, middle - 1)
    return np.where(none, -np.inf, np.where(everything, np.inf, _number(low)))


def _order(number: float) -> int:
    """Return a whole number that orders as the floating-point number does."""
    bits = int(np.float64(number).view(np.int64))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFFFFFFFFFF)


def _number(order: Any) -> Any:
    bits = np.abs(order)
    return np.where(order < 0, -bits.view(np.float64), bits.view(np.float64))
