"""Divide inputs into bins, within which every value passes the same tests of a model.

The ends of the bins are found by bisection over the floating-point numbers, through scikit-learn's own transformers.
Imputing, scaling and rounding to float32 so become part of the bins, and no arithmetic of nbship can round
differently.
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
    """The bins of the inputs, and the matrix row of each bin.

    Attributes
    ----------
    used
        The indices of the sources that the matrix depends on.
    inputs
        The bins of these sources.
    values
        Source -> the matrix row of each of its bins, shape (bins, columns). Only columns of that source are valid.
    """

    used: Sequence[int]
    inputs: Sequence[Input]
    values: Mapping[int, Any]


def bin_inputs(traced: Traced, scores: Ensemble | Linear | None) -> Binned:
    """Divide the inputs into bins, within which every value passes the same tests and has the same transformed value."""
    used = sorted({origin.source for origin in traced.origins})
    if not used:
        raise NotCompilableError("the model has no input column")
    cuts = _cuts(traced, scores)
    inputs, samples = [], []
    for index, source in enumerate(traced.sources):
        if source.is_string:
            strings = traced.domains.get(index, [])
            known = tuple(string for string in strings if string != UNSEEN)
            inputs.append(Input(source.name, True, known=known))
            # A category that is not open has no other strings, and a field that is not nullable no null. Their bins are
            # never used, but need a value that the transformers accept.
            fill = strings[0] if strings else None
            other = UNSEEN if UNSEEN in strings or not strings else fill
            samples.append(objects([*known, other, None if index in traced.nullable else fill]))
        else:
            inputs.append(Input(source.name, False, cuts=cuts[index]))
            beyond = np.nextafter(cuts[index][-1], np.inf) if len(cuts[index]) else 0.0
            null = np.nan if index in traced.nullable else 0.0
            samples.append(np.concatenate([cuts[index], [beyond, null]]))
    longest = max(map(len, samples))
    # Transformers need columns of equal length: shorter samples repeat their last value.
    matrix = traced.values_of([_padded(sample, longest) for sample in samples])
    if matrix.shape[1] != len(traced.origins):
        raise NotCompilableError("the transformers return other columns than their types imply")
    return Binned(used, [inputs[index] for index in used], {index: matrix[: inputs[index].bins] for index in used})


def _padded(values: Any, length: int) -> Any:
    return values[np.minimum(np.arange(length), len(values) - 1)]


def _cuts(traced: Traced, scores: Ensemble | Linear | None) -> dict[int, Any]:
    """Return the upper ends of the bins of each numeric source."""
    sources, origins = traced.sources, traced.origins
    found = {index: set(source.steps) for index, source in enumerate(sources) if not source.is_string}
    wanted = _thresholds(scores, origins, sources) if isinstance(scores, Ensemble) else []
    # If the column is the source itself, unrounded, the threshold is the end of a bin and needs no search.
    exact = [pair for pair in wanted if origins[pair[0]].same and not scores.narrow] if wanted else []  # type: ignore[union-attr]
    for column, threshold in exact:
        found[origins[column].source].add(threshold)
    if searched := sorted(set(wanted) - set(exact)):
        assert isinstance(scores, Ensemble)
        ends = _bisect(searched, traced, narrow=scores.narrow)
        for (column, _), end in zip(searched, ends, strict=True):
            if np.isfinite(end):
                found[origins[column].source].add(end)
    return {index: np.array(sorted(ends), dtype=np.float64) for index, ends in found.items()}


def _thresholds(scores: Ensemble, origins: Sequence[Origin], sources: Sequence[Source]) -> list[tuple[int, float]]:
    """Return the tests (column, threshold) on columns that increase with a numeric source."""
    found = set()
    for tree, _ in scores.trees:
        for node in np.flatnonzero(tree.left >= 0).tolist():
            column = int(tree.column[node])
            if origins[column].rising and not sources[origins[column].source].is_string:
                if node in tree.sets:
                    raise NotCompilableError("a categorical split tests numbers without an encoder")
                found.add((column, float(tree.threshold[node])))
    return sorted(found)


def _bisect(pairs: Sequence[tuple[int, float]], traced: Traced, *, narrow: bool) -> Any:
    """Return the largest number that passes each test; inf if all numbers pass, -inf if none does."""
    sources, origins = traced.sources, traced.origins
    columns = np.array([column for column, _ in pairs])
    thresholds = np.array([threshold for _, threshold in pairs])
    owners = np.array([origins[column].source for column, _ in pairs])
    rows = np.empty(len(pairs), dtype=np.int64)
    # All tests are searched together, through one matrix. Tests of different sources share a row; two tests of the same
    # source need different values of it, and so different rows.
    for owner in np.unique(owners):
        rows[owners == owner] = np.arange((owners == owner).sum())
    simple = all(origins[column].same for column in columns)

    def passes(numbers: Any) -> Any:
        if simple:
            values = numbers
        else:
            given = []
            for index, source in enumerate(sources):
                if source.is_string:
                    given.append(objects([traced.first_string(index)] * (int(rows.max()) + 1)))
                else:
                    column = np.zeros(int(rows.max()) + 1)
                    column[rows[owners == index]] = numbers[owners == index]
                    given.append(column)
            values = traced.values_of(given)[rows, columns]
        with np.errstate(over="ignore"):
            return (values.astype(np.float32).astype(np.float64) if narrow else values) <= thresholds

    low, high = np.full(len(pairs), _order(-_MOST)), np.full(len(pairs), _order(_MOST))
    none, everything = ~passes(_number(low)), passes(_number(high))
    while (low < high).any():
        # The middle of two integers, rounded up, without the overflow of (low + high + 1) // 2 near 2**63.
        middle = (low | high) - ((low ^ high) >> 1)
        right = passes(_number(middle))
        low, high = np.where(right, middle, low), np.where(right, high, middle - 1)
    return np.where(none, -np.inf, np.where(everything, np.inf, _number(low)))


def _order(number: float) -> int:
    """Return an integer that sorts like the floating-point number; neighbouring floats have neighbouring integers.

    For example, 1.0 has the bits 0x3FF0…0 and the next float 0x3FF0…1, so their integers are neighbours, and bisection
    needs 64 steps. Negative floats sort by magnitude without the sign bit: -1.0 becomes -0x3FF0…0.
    """
    bits = int(np.float64(number).view(np.int64))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFFFFFFFFFF)


def _number(order: Any) -> Any:
    bits = np.abs(order)
    return np.where(order < 0, -bits.view(np.float64), bits.view(np.float64))
