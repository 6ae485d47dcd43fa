"""Inputs on the days that production was trained on too: the same days must have the same values.

A season changes from day to day, a unit does not: 41 °F on a day in February is 41 °F in the next training rows, and 5 °C is
a mistake, although both are possible values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...model.build import Distribution, Reference, count, measure
from ..checks import FAILED, INSUFFICIENT, PASSED, Check
from ..evidence import Evidence
from ..limits import Limits
from ..production import Production
from ..rows import accepted_rows, columns_for, days_of

__all__ = ["compare_days", "input_checks"]

NAME = "same days, same inputs"
_LEAST_DAYS = 5


def compare_days(evidence: Evidence) -> list[dict[str, Any]] | None:
    """Return for each input the share of rows that differ on common days; None without common days.

    Both are counted in production's bins and categories, by day. The difference is half the sum of the absolute
    differences of shares (total variation); each day counts with its rows in production's training data.

    Returns
    -------
    list
        `input`, `difference`, `days`; the largest difference first.
    """
    production = evidence.production
    reference = production.reference if production else None
    if production is None or reference is None or reference.periods is None:
        return None
    rows = _rows(evidence, production)
    if rows is None:
        return None
    frame = evidence.train.iloc[rows]
    days = days_of(frame, production.predictor.signature)
    assert days is not None
    columns = measure(columns_for(production.predictor.signature, frame), production.predictor.signature)
    found = [
        _difference(name, each, columns[name], days, reference)
        for name, each in reference.fields.items()
        if name in columns
    ]
    records = [record for record in found if record]
    return sorted(records, key=lambda record: -float(record["difference"])) or None


def _rows(evidence: Evidence, production: Production) -> NDArray[np.intp] | None:
    signature = production.predictor.signature
    if any(name not in evidence.train and not signature[name].nullable for name in signature.names):
        return None
    rows = accepted_rows(signature, evidence.train)
    return rows if len(rows) else None


def _difference(
    name: str, like: Distribution, values: Any, days: NDArray[np.int64], reference: Reference
) -> dict[str, Any] | None:
    periods = reference.periods
    if periods is None or like.periods is None:
        return None
    first, number = int(np.datetime64(periods.first, "D").astype(np.int64)), len(periods.rows)
    of_rows = (days - first) // periods.days
    of_rows = np.where((of_rows < 0) | (of_rows >= number), -1, of_rows)
    counts = count(values, like, blocks=of_rows, number=number)
    known, missing = counts.table[:, :-1], counts.table[:, -1]
    grouped = np.add.reduceat(known, like.groups, axis=1) if len(like.groups) else known
    new = sum(counts.new.values(), np.zeros(number, dtype=np.int64))
    now = np.column_stack([grouped, missing, new]).astype(np.float64)
    before = np.column_stack([like.periods, np.zeros(number)]).astype(np.float64)
    common = (now.sum(axis=1) > 0) & (before.sum(axis=1) > 0)
    if common.sum() < _LEAST_DAYS:
        return None
    weight = before[common].sum(axis=1)
    shares = (weight / now[common].sum(axis=1)) @ now[common] / weight.sum()
    difference = float(np.abs(shares - before[common].sum(axis=0) / weight.sum()).sum() / 2)
    return {"input": name, "difference": difference, "days": int(common.sum()) * periods.days}


def input_checks(evidence: Evidence, found: list[dict[str, Any]] | None, limits: Limits) -> Iterator[Check]:
    """Check the inputs of the days that production was trained on too."""
    if evidence.production is None:
        return
    if found is None:
        reason = f"The training rows have fewer than {_LEAST_DAYS} days in common with those of production: whether units or codes changed is not known."
        yield Check(NAME, INSUFFICIENT, reason)
        return
    worst, limit = found[0], limits.max_input_change
    others = sum(record["difference"] > limit for record in found[1:])
    what = f"On {worst['days']} days that production was trained on too, {worst['difference']:.1%} of the values of '{worst['input']}' differ"
    if worst["difference"] <= limit:
        yield Check(NAME, PASSED, f"{what}, limit {limit:.1%}.", worst["difference"], limit)
        return
    more = f" (and {others} more inputs)" if others else ""
    reason = f"{what}{more}, limit {limit:.1%}. Look for another unit, clock, coding or join than when production was trained."
    yield Check(NAME, FAILED, reason, worst["difference"], limit)
