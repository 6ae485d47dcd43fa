"""Divide inputs into bins, within which every value passes the same tests of a model.

The ends of the bins are found by bisection over the floating-point numbers, through scikit-learn's own transformers.
Imputing, scaling and rounding to float32 so become part of the bins, and no arithmetic of nbship can round
differently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import NotCompilableError
from ..backends import Input
from .bin_values import BinValues, rows_at_once, values_of_bins
from .column_origins import Origin, Source
from .estimators import Ensemble, Linear
from .trace import UNSEEN, Traced, objects

__all__ = ["Binned", "bin_inputs", "bisect_ends", "mark_reversals"]

_MOST = np.finfo(np.float64).max
# Numbers on each side of the end of a test in which reversals are looked for; more, if there are some far from the end.
_NEAR, _MOST_NEAR = 32, 4096


@dataclass(frozen=True)
class Binned:
    """The bins of the inputs, and their values in the columns of the matrix.

    Attributes
    ----------
    used
        The indices of the sources that the matrix depends on.
    inputs
        The bins of these sources.
    values
        Source -> the values of its bins in its columns.
    """

    used: Sequence[int]
    inputs: Sequence[Input]
    values: Mapping[int, BinValues]


def bin_inputs(traced: Traced, scores: Ensemble | Linear | None) -> Binned:
    """Divide the inputs into bins, within which every value passes the same tests and has the same transformed value."""
    used = sorted({origin.source for origin in traced.origins})
    if not used:
        raise NotCompilableError("the model has no input column")
    if isinstance(scores, Ensemble):
        mark_reversals(traced, scores)
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
    owners = np.array([origin.source for origin in traced.origins])
    return Binned(
        used, [inputs[index] for index in used], values_of_bins(samples, owners, used, values_of=traced.values_of)
    )


def _cuts(traced: Traced, scores: Ensemble | Linear | None) -> dict[int, Any]:
    """Return the upper ends of the bins of each numeric source."""
    sources, origins = traced.sources, traced.origins
    found = {index: set(source.steps) for index, source in enumerate(sources) if not source.is_string}
    wanted = _thresholds(scores, origins, sources) if isinstance(scores, Ensemble) else []
    # If the column is the source itself, unrounded, the threshold is the end of a bin and needs no search.
    exact = [pair for pair in wanted if traced.is_unchanged(pair[0]) and not scores.narrow] if wanted else []  # type: ignore[union-attr]
    for column, threshold in exact:
        found[origins[column].source].add(threshold)
    if searched := sorted(set(wanted) - set(exact)):
        assert isinstance(scores, Ensemble)
        columns, thresholds = (np.array(each) for each in zip(*searched, strict=True))
        ends = bisect_ends(columns, thresholds, traced, narrow=scores.narrow)
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


def mark_reversals(traced: Traced, scores: Ensemble) -> None:
    """Give a bin of its own to each number near the end of a test that does not belong to its side.

    A function such as `np.cbrt` increases, but its rounded values do not everywhere: of four neighbouring floats, the
    third root of the second may be one unit in the last place above that of the third. A threshold between the two is
    passed by the first and the third, and not by the second and the fourth: the end of the test is the third, and the
    second is marked.
    """
    origins = traced.origins
    curved = [
        (column, threshold)
        for column, threshold in _thresholds(scores, origins, traced.sources)
        if origins[column].slope is None and not origins[column].same
    ]
    if not curved:
        return
    columns, thresholds = (np.array(each) for each in zip(*curved, strict=True))
    ends = bisect_ends(columns, thresholds, traced, narrow=scores.narrow)
    passes, near = _passing(columns, thresholds, traced, narrow=scores.narrow), _NEAR
    tests = np.flatnonzero(np.abs(ends) < _MOST / 2)
    while len(tests) and near <= _MOST_NEAR:
        distances = np.arange(-near, near + 1)
        orders = _order(ends[tests])[:, None] + distances
        passed = passes(np.repeat(tests, len(distances)), orders.ravel()).reshape(orders.shape)
        reversals = passed != (distances <= 0)
        for index, order in zip(*np.nonzero(reversals), strict=True):
            source = traced.sources[origins[columns[tests[index]]].source]
            number = float(_number(orders[index, order]))
            source.points.add(number)
            source.steps |= {number, float(np.nextafter(number, -np.inf))}
        tests, near = tests[reversals[:, np.abs(distances) > near // 2].any(axis=1)], near * 4


def bisect_ends(columns: Any, thresholds: Any, traced: Traced, *, narrow: bool) -> Any:
    """Return the largest number that passes each test (column, threshold); inf if all numbers pass, -inf if none does."""
    passes = _passing(columns, thresholds, traced, narrow=narrow)
    low, high = _brackets(_guesses(columns, thresholds, traced, narrow=narrow), passes)
    while len(tests := np.flatnonzero(low < high)):
        # The middle of two integers, rounded up, without the overflow of (low + high + 1) // 2 near 2**63.
        middle = (low[tests] | high[tests]) - ((low[tests] ^ high[tests]) >> 1)
        right = passes(tests, middle)
        low[tests], high[tests] = np.where(right, middle, low[tests]), np.where(right, high[tests], middle - 1)
    ends = np.where(low == _HIGHEST, np.inf, _number(low))
    lowest = np.flatnonzero(low == _LOWEST)
    ends[lowest[~passes(lowest, low[lowest])]] = -np.inf
    return ends


def _passing(columns: Any, thresholds: Any, traced: Traced, *, narrow: bool) -> Callable[[Any, Any], Any]:
    """Return a function of tests and of numbers (see `_order`), whether each number passes its test."""
    owners = np.array([origin.source for origin in traced.origins])[columns]
    same = all(map(traced.is_unchanged, np.unique(columns)))
    marked = {index: np.array(sorted(source.points)) for index, source in enumerate(traced.sources) if source.points}

    def passes(tests: Any, order: Any) -> Any:
        numbers = _number(order)
        for index, points in marked.items():
            # The function increases but for these, so the next number stands for them.
            own = owners[tests] == index
            while (replaced := own & np.isin(numbers, points)).any():
                numbers[replaced] = np.nextafter(numbers[replaced], np.inf)
        values = numbers if same else _column_values(traced, owners[tests], columns[tests], numbers)
        with np.errstate(over="ignore", invalid="ignore"):
            # NaN passes: a function is NaN for the least numbers only.
            return ~((values.astype(np.float32).astype(np.float64) if narrow else values) > thresholds[tests])

    return passes


def _column_values(traced: Traced, owners: Any, columns: Any, numbers: Any) -> Any:
    """Return the value of one column of the matrix for each number; the number belongs to the column's source.

    All are computed together, through one matrix. Numbers of different sources share a row.
    """
    rows, found = np.empty(len(numbers), dtype=np.int64), np.empty(len(numbers))
    for owner in np.unique(owners):
        rows[owners == owner] = np.arange((owners == owner).sum())
    step = rows_at_once(len(traced.origins))
    for start in range(0, int(rows.max(initial=-1)) + 1, step):
        taken = np.flatnonzero((rows >= start) & (rows < start + step))
        given: list[Any] = []
        for index, source in enumerate(traced.sources):
            if source.is_string:
                given.append(objects([traced.first_string(index)] * (int(rows[taken].max()) - start + 1)))
            else:
                own = taken[owners[taken] == index]
                given.append(np.zeros(int(rows[taken].max()) - start + 1))
                given[-1][rows[own] - start] = numbers[own]
        found[taken] = np.asarray(traced.values_of(given)[rows[taken] - start, columns[taken]]).ravel()
    return found


def _guesses(columns: Any, thresholds: Any, traced: Traced, *, narrow: bool) -> Any:
    """Return a number near the end of each test, where the column is the source or affine; otherwise NaN."""
    values = thresholds
    if narrow:
        # Values up to the middle of two neighbouring float32 numbers are rounded to the lower one.
        with np.errstate(over="ignore"):
            rounded = thresholds.astype(np.float32)
            lower = np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)
            above = np.nextafter(lower, np.float32(np.inf)).astype(np.float64)
        values = (lower.astype(np.float64) + above) / 2
    found = np.full(len(columns), np.nan)
    affine = np.array([origin.slope is not None and origin.slope > 0 for origin in traced.origins])[columns]
    if not affine.any():
        return found
    slopes = np.array([origin.slope or np.nan for origin in traced.origins])[columns[affine]]
    centres = np.array([origin.centre for origin in traced.origins])[columns[affine]]
    owners = np.array([origin.source for origin in traced.origins])[columns[affine]]
    same = np.array([origin.same for origin in traced.origins])[columns[affine]]
    at_centres = _column_values(traced, owners, columns[affine], centres)
    with np.errstate(all="ignore"):
        found[affine] = np.where(same, values[affine], centres + (values[affine] - at_centres) / slopes)
    return found


def _brackets(guesses: Any, passes: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """Return integers (see `_order`) between which the end of each test lies: the first passes, or is the lowest."""
    known = np.isfinite(guesses)
    middle = np.where(known, _order(np.clip(np.where(known, guesses, 0.0), -_MOST, _MOST)), 0)
    low, high = np.full(len(guesses), _LOWEST), np.full(len(guesses), _HIGHEST)
    below, above, width = np.flatnonzero(known), np.flatnonzero(known), 8
    while len(below) or len(above):
        width = min(width, _HIGHEST)
        # The sums that would overflow are beyond the limits.
        lower = np.where(middle[below] < _LOWEST + width, _LOWEST, middle[below] - width)
        upper = np.where(middle[above] > _HIGHEST - width, _HIGHEST, middle[above] + width)
        passed, failed = passes(below, lower), ~passes(above, upper)
        low[below[passed]] = lower[passed]
        high[below[~passed]] = np.minimum(high[below[~passed]], np.maximum(lower[~passed] - 1, _LOWEST))
        high[above[failed]] = np.minimum(high[above[failed]], upper[failed] - 1)
        low[above[~failed]] = np.maximum(low[above[~failed]], upper[~failed])
        below, above = below[~passed & (lower > _LOWEST)], above[~failed & (upper < _HIGHEST)]
        width *= 64
    return low, high


def _order(numbers: Any) -> Any:
    """Return integers that sort like the floating-point numbers; neighbouring floats have neighbouring integers.

    For example, 1.0 has the bits 0x3FF0…0 and the next float 0x3FF0…1, so their integers are neighbours, and bisection
    needs 64 steps. Negative floats sort by magnitude without the sign bit: -1.0 becomes -0x3FF0…0.
    """
    bits = np.asarray(numbers, dtype=np.float64).view(np.int64)
    return np.where(bits >= 0, bits, -(bits & 0x7FFFFFFFFFFFFFFF))


def _number(order: Any) -> Any:
    bits = np.abs(order)
    return np.where(order < 0, -bits.view(np.float64), bits.view(np.float64))


_LOWEST, _HIGHEST = int(_order(-_MOST)), int(_order(_MOST))
