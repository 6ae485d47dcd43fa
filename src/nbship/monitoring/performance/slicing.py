"""Performance of the slices of a window: which are less well calibrated than the window as a whole.

Some of many slices look bad by chance. So p-values are corrected for the number of slices (Holm 1979), and the miss of
each is also stated as it is expected to be once more, drawn towards that of all slices (DerSimonian & Laird 1986): a slice
of 50 rows that missed by 10 points may be expected to miss by 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any

import numpy as np

from ...metrics import Estimate, holm, shrunk, slice_rows
from ..verdict import INSUFFICIENT, OK, Thresholds, grade
from .measures import LEAST_DAYS, Outcomes, measures_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["slices"]

_SLICE = Thresholds(warning=0.05, alert=math.inf)


def slices(
    frame: pd.DataFrame, by: Sequence[str], *, kind: str, alpha: float, min_rows: int, zone: tzinfo = UTC
) -> list[dict[str, Any]]:
    """Measure each slice, and warn of slices that are less well calibrated than the window as a whole.

    `alpha` is shared by all slices. Slices without enough labelled rows or days are `insufficient`.

    Parameters
    ----------
    frame, kind, min_rows, zone
        As for `performance`, with a column for each slice.
    by
        The slicing columns.

    Returns
    -------
    list
        For each slice `slice`, `value`, `rows`, the measures of its labelled rows (`n` of them), `miss` (mean prediction
        minus mean outcome), `low` and `high` (its 95 % interval by day), `expected_miss` and `verdict`.
    """
    known = Outcomes.of(frame, zone)
    place = np.full(len(frame), -1)
    place[known.rows] = np.arange(len(known.rows))
    whole = known.miss.value or 0.0
    found, misses = [], []
    for column, value, rows in slice_rows(frame, by):
        labelled = known.taken(np.sort(place[rows][place[rows] >= 0]))
        misses.append(labelled.miss)
        limits = misses[-1].interval() or (None, None)
        found.append(
            {"slice": column, "value": value, "rows": len(rows), **measures_of(labelled, kind)}
            | {"miss": misses[-1].value, "low": limits[0], "high": limits[1], "expected_miss": None, "verdict": INSUFFICIENT}
        )  # fmt: skip
    enough = [k for k, row in enumerate(found) if row["n"] >= min_rows and misses[k].blocks >= LEAST_DAYS]
    # Only an error beyond the window's own counts: a well calibrated slice of a badly calibrated window is fine.
    excess = [max(0.0, abs(misses[k].value or 0.0) - abs(whole)) for k in enough]
    p_values = holm([_p_value(size, misses[k]) for size, k in zip(excess, enough, strict=True)])
    for k, size, p_value, expected in zip(enough, excess, p_values, shrunk([misses[k] for k in enough]), strict=True):
        verdict = OK if kind == "value" else grade(size, _SLICE, p_value=p_value, alpha=alpha)
        found[k] |= {"expected_miss": expected, "verdict": verdict}
    return found


def _p_value(excess: float, miss: Estimate) -> float:
    return miss._replace(value=excess).p_value(0.0)
