"""Compare a backend with its estimator, on generated rows at the values where a backend could be wrong."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import numpy as np

from ..backends import Input
from ..signature import Column, Columns

__all__ = ["ROWS", "generate_rows", "largest_difference"]

# The number of generated rows.
ROWS = 10_000


def generate_rows(
    inputs: Sequence[Input],
    real: Columns,
    *,
    exact: bool,
    nullable: Set[str] | None = None,
    closed: Set[str] = frozenset(),
    count: int = ROWS,
    seed: int = 0,
) -> dict[str, Column]:
    """Generate rows with training values, ends of bins, the floats next to them, nulls and unknown strings.

    A tenth of the rows of models that calculate with numbers are training rows, near and far out.

    Parameters
    ----------
    real
        Training values of the inputs.
    nullable
        Inputs that may be null; None: all.
    closed
        Categories that are not open: they have no unknown strings.
    exact
        Whether to include numbers far beyond the training values, for models that only compare numbers.
    """
    random = np.random.default_rng(seed)
    found = {}
    # Whole training rows, far out: the terms of a sum over nearly collinear columns cancel in them.
    whole = np.flatnonzero(random.random(count) < (0.0 if exact else 0.1))
    taken = random.integers(0, max(1, *(len(real[each.name]) for each in inputs)), len(whole))
    factors = random.choice([1.0, -1.0, 1e3, -1e3], len(whole))
    for each in inputs:
        seen = real[each.name]
        pool, null = _pool(each, seen, closed=each.name in closed, exact=exact)
        drawn = random.integers(0, max(1, len(pool)), count)
        column = seen[random.integers(0, len(seen), count)]
        column = column.astype(object if each.is_string else np.float64)
        if len(pool):
            odd = random.random(count) < 0.5
            column[odd] = pool[drawn[odd]]
        if nullable is None or each.name in nullable:
            column[random.random(count) < 0.1] = null
        column[whole] = seen[taken] if each.is_string else seen[taken].astype(np.float64) * factors
        found[each.name] = column
    return found


def _pool(each: Input, seen: Column, *, closed: bool, exact: bool) -> tuple[Column, Any]:
    if each.cuts is not None:
        numbers = [each.cuts, np.nextafter(each.cuts, np.inf), np.nextafter(each.cuts, -np.inf)]
        known = np.abs(seen.astype(np.float64))
        largest = np.nanmax(known, initial=0.0, where=np.isfinite(known))
        numbers.append(largest * np.array([2.0, -2.0, 1e3, -1e3]))
        if exact:
            # Signed zeros, integers that float32 cannot represent, and numbers of extreme size.
            numbers.append(np.array([0.0, -0.0, 2.0**24 + 1, -(2.0**24) - 1, 1e30, -1e30, 5e-324]))
        return np.concatenate(numbers), np.nan
    texts = [*each.known, *(() if closed else ("", "never seen", each.name, "\x00"))]
    column = np.empty(len(texts), dtype=object)
    column[:] = texts
    return column, None


def largest_difference(given: Column, expected: Column) -> float:
    """Return the largest difference of scores, relative for scores above 1; inf if a label or a NaN differs."""
    if given.shape != expected.shape or (np.isnan(given) != np.isnan(expected)).any():
        return float("inf")
    if given.shape[1] > 1 and (given.argmax(axis=1) != expected.argmax(axis=1)).any():
        return float("inf")
    # The difference of two infinite numbers is NaN, or infinite.
    finite = np.isfinite(given) & np.isfinite(expected)
    if (np.where(finite | np.isnan(given), 0.0, given) != np.where(finite | np.isnan(given), 0.0, expected)).any():
        return float("inf")
    apart = np.abs(given[finite] - expected[finite]) / np.maximum(1.0, np.abs(expected[finite]))
    return float(np.max(apart, initial=0.0))
