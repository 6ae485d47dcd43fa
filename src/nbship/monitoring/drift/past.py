"""The counts of a field in the pieces of a window and in past periods of the same length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...model.build import LEAST_ROWS, Distribution
from .pieces import Plan

__all__ = ["Past", "effective_rows", "longest_run", "past_of"]


@dataclass(frozen=True)
class Past:
    """The counts of a field by piece and by unit, in the same bins or categories; the last column is missing values.

    Attributes
    ----------
    pieces, units
        Shapes (pieces, bins + 1) and (units, bins + 1).
    new
        Rows with new categories in each piece, shape (pieces,).
    new_before
        Rows with categories that no other unit has, in each unit, shape (units,).
    missing_before
        The largest share of missing values in a past period of the package, such as a day.
    plan
        How they were chosen.
    """

    pieces: NDArray[np.int64]
    units: NDArray[np.int64]
    new: NDArray[np.int64]
    new_before: NDArray[np.int64]
    missing_before: float
    plan: Plan


def past_of(reference: Distribution, grouped: NDArray[np.int64], new: NDArray[np.int64], plan: Plan) -> Past | None:
    """Return the counts by piece and unit; None without a history.

    Parameters
    ----------
    grouped
        The counts of each day of the window in the groups of the reference, and missing values, shape (days, groups + 1).
    new
        Rows with new categories on each day, shape (days,).
    """
    if not plan.units or reference.periods is None:
        return None
    units = np.array([reference.periods[slice(*unit)].sum(axis=0) for unit in plan.units])
    pieces = np.array([grouped[slice(*piece)].sum(axis=0) for piece in plan.pieces])
    new_of_pieces = np.array([new[slice(*piece)].sum() for piece in plan.pieces])
    only_here = (units > 0) & ((units > 0).sum(axis=0) == 1)
    # Only categories can be new; the last column is that of missing values.
    before = np.where(only_here[:, :-1], units[:, :-1], 0).sum(axis=1) if reference.kind == "category" else units[:, 0] * 0  # fmt: skip
    rows = reference.periods.sum(axis=1)
    thick = rows >= LEAST_ROWS
    most = float(np.max(reference.periods[thick, -1] / rows[thick], initial=0.0))
    return Past(pieces, units, new_of_pieces, before, most, plan)


def longest_run(repeats: NDArray[np.int64]) -> int:
    """Return the length of the longest run of ones.

    >>> longest_run(np.array([1, 0, 1, 1, 0]))
    2
    """
    longest = run = 0
    for one in repeats.tolist():
        run = run + 1 if one else 0
        longest = max(longest, run)
    return longest


def effective_rows(rows: NDArray[np.int64], totals: NDArray[np.float64], variance: float) -> float | None:
    """Return the number of independent rows that would give the mean the same error as these rows in blocks.

    Parameters
    ----------
    rows
        The number of rows in each block, shape (blocks,).
    totals
        The sums of values in each block, shape (blocks,) or (blocks, columns) for the columns of an indicator.
    variance
        The variance of a value, or the sum of those of the columns.

    Examples
    --------
    Ten days of 100 rows, all rows of a day equal: they are worth as many rows as there are days.

    >>> days = np.repeat([0.0, 1.0], 5) * 100
    >>> round(effective_rows(np.full(10, 100), days, 0.25))
    9
    """
    blocks, total = int(np.count_nonzero(rows)), int(rows.sum())
    if blocks < 2 or not np.isfinite(variance) or variance <= 0:
        return None
    means = totals.sum(axis=0) / total
    deviations = totals - np.multiply.outer(rows, means)
    # The error of a mean of blocks, as of a ratio: the squares of the blocks' deviations (Cochran 1977).
    squared_error = float(np.sum(deviations**2)) * blocks / (blocks - 1) / total**2
    if not np.isfinite(squared_error):
        return None
    worth = float(total) if squared_error <= 0 else min(float(total), variance / squared_error)
    # The last bits depend on the order in which parts were added.
    return float(f"{worth:.6g}")
