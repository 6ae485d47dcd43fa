"""Checks of a window's rows as a whole: their number, copies, relations between fields, and what training never saw."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from ...text import listed
from ..verdict import ALERT, BROKEN, INSUFFICIENT, NOTICE, OK, UNSEEN, USUAL, WARNING
from ..window import Window
from .bands import made_band
from .collected import Collected
from .shares import beyond

__all__ = ["integrity", "unseen"]

# The smallest shares of copies, and of rows that break a relation, that matter.
_COPIES, _MANY_COPIES, _BROKEN = 0.01, 0.05, 0.005
# A number of rows that is less than twice or more than half of what training had is usual for a service.
_TIMES, _LEAST_SPREAD = 2.0, 0.2
# Values outside the range of the training data are noticed from this share of rows on.
_OUTSIDE = 0.005
# Another season does not move nearly all values of a field out of the range: it may be another unit.
_NEARLY_ALL = 0.95
_MOST_FIELDS = 4


def integrity(
    found: Collected, *, min_rows: int, row_counts: bool = True, over: int | None = None
) -> list[dict[str, Any]]:
    """Check a window's rows.

    Parameters
    ----------
    min_rows
        Rows below which a check is `insufficient`.
    row_counts
        Whether to compare the number of rows with the training data.
    over
        Days of the window that are over; None: all. Weeks that are not over are not compared.

    Returns
    -------
    list
        One record a check: `check`, `subject`, `value`, `reference`, `p_value`, `verdict`, `kind`, `reason`. Where
        `p_value` is a number, the verdict comes from `settle`.
    """
    rows = int(found.rows.sum())
    records = [_copies(found, rows), *(_relation(text, int(by_day.sum()), rows) for text, by_day in found.broken.items())]  # fmt: skip
    if row_counts:
        records.insert(0, _number(found, rows, over))
    if rows >= min_rows:
        return records
    reason = f"{rows} rows; a verdict needs {min_rows}."
    return [each | {"p_value": None, "verdict": INSUFFICIENT, "kind": None, "reason": reason} for each in records]


def _record(check: str, subject: str, value: float | None, reference: float | None) -> dict[str, Any]:
    return {
        "check": check, "subject": subject, "value": value, "reference": reference, "p_value": None, "notable": True,
        "found": WARNING, "verdict": OK, "kind": USUAL,
    }  # fmt: skip


def _number(found: Collected, rows: int, over: int | None) -> dict[str, Any]:
    plan, periods = found.plan, found.periods
    record = _record("row count", "rows", float(rows), None)
    if periods is None or not plan.units:
        return record | {"verdict": INSUFFICIENT, "kind": None, "reason": f"Insufficient history: {plan.reason or 'there is none.'}"}  # fmt: skip
    past = np.array([periods.rows[slice(*unit)].sum() for unit in plan.units])
    pieces = [number for number, (_, end) in enumerate(plan.pieces) if over is None or end <= over]
    if not pieces:
        return record | {"verdict": INSUFFICIENT, "kind": None, "reason": f"The {plan.length} days to compare with training are not over."}  # fmt: skip
    now = np.array([found.rows[slice(*plan.pieces[number])].sum() for number in pieces])
    band = made_band(np.log(past + 0.5), least_spread=_LEAST_SPREAD)
    assert band is not None
    logs = np.log(now + 0.5)
    p_values = [2 * min(band.p_value(value), 1 - band.p_value(value)) for value in logs.tolist()]
    piece = int(np.argmin(p_values))
    expected = float(np.exp(band.mean))
    times = max(now[piece] + 0.5, 1e-9) / expected
    where = "" if len(plan.pieces) == 1 else f" from {plan.names[pieces[piece]]}"
    side = "few" if times < 1 else "many"
    return record | {
        "value": float(now[piece]),
        "reference": expected,
        "p_value": min(1.0, len(now) * p_values[piece]),
        "notable": not 1 / _TIMES < times < _TIMES,
        "kind": BROKEN,
        "reason": f"Unusually {side} rows: {now[piece]:,} in {plan.length} days{where}, against {expected:,.0f} in training. "
        "If the training data are a sample, set `monitoring.row_counts: false`.",
    }


def _copies(found: Collected, rows: int) -> dict[str, Any]:
    copies = int(found.copies.sum())
    now = copies / rows if rows else 0.0
    record = _record("copies", "rows", now, None) | {"kind": BROKEN, "found": ALERT if now >= _MANY_COPIES else WARNING}
    plan, periods, p_value = found.plan, found.periods, None
    if periods is not None and periods.rows.sum():
        record["reference"] = float(periods.duplicates.sum() / periods.rows.sum())
    if periods is not None and plan.units:
        by_unit = [np.array([each[slice(*unit)].sum() for unit in plan.units]) for each in (periods.duplicates, periods.rows)]  # fmt: skip
        by_piece = [np.array([each[slice(*piece)].sum() for piece in plan.pieces]) for each in (found.copies, found.rows)]  # fmt: skip
        judged = beyond(*by_piece, *by_unit, sign=1.0)
        p_value = None if judged is None else judged[0]
    notable = now - (record["reference"] or 0.0) >= _COPIES
    reason = f"{now:.1%} of the rows are copies of another row ({copies:,} rows)."
    if p_value is None:
        is_found = notable and record["reference"] is None
        return record | {"verdict": record["found"] if is_found else OK, "reason": reason}
    return record | {"p_value": p_value, "notable": notable, "reason": reason}


def _relation(text: str, broken: int, rows: int) -> dict[str, Any]:
    share = broken / rows if rows else 0.0
    record = _record("relation", text, share, 0.0)
    reason = f"{share:.1%} of the rows break the relation '{text}' ({broken:,} rows)."
    if share < _BROKEN:
        return record | {"reason": reason}
    return record | {"verdict": ALERT, "kind": BROKEN, "reason": reason}


def unseen(found: Collected, window: Window) -> dict[str, Any]:
    """Return what training never saw: months of the year, and values outside its range.

    Returns
    -------
    dict
        `rows` and `share` of the rows with any such value, `fields` (each `field`, `share`, `side`), `months`, `verdict`
        (`notice`, `ok`, or `warning` where nearly all values of a field are outside), `kind` and `reason`.
    """
    rows = int(found.rows.sum())
    fields = sorted(_outside(found, rows), key=lambda one: -one["share"])
    months = _months(found, window)
    words = []
    if months:
        words.append(f"The training data have no {listed(months, most=4)}")
    if fields:
        named = listed((f"{one['field']} {one['side']} ({one['share']:.1%})" for one in fields), most=_MOST_FIELDS)
        words.append(
            f"{found.outside / rows:.1%} of the rows have values outside the range of the training data: {named}"
        )
    return {
        "rows": found.outside,
        "share": found.outside / rows if rows else 0.0,
        "fields": fields,
        "months": months,
        "verdict": WARNING if any(one["share"] >= _NEARLY_ALL for one in fields) else NOTICE if words else OK,
        "kind": UNSEEN if words else USUAL,
        "reason": f"{'. '.join(words)}." if words else "Months and values are those of the training data.",
    }


def _outside(found: Collected, rows: int) -> Sequence[dict[str, Any]]:
    sides = {"below": found.below, "above": found.above}
    return [
        {"field": name, "side": side, "share": number / rows}
        for side, numbers in sides.items()
        for name, number in numbers.items()
        if rows and number / rows >= _OUTSIDE
    ]


def _months(found: Collected, window: Window) -> list[str]:
    periods = found.periods
    if periods is None or not len(periods.rows):
        return []
    first = date.fromisoformat(periods.first)
    trained = {(first + timedelta(days=day)).month for day in range(len(periods.rows) * periods.days)}
    # The days that are left over at the end are less than a period.
    # A window that is much longer has no counts by day.
    if not found.rows.any():
        return []
    by_day = len(found.rows) == len(window.days)
    now = dict.fromkeys(day.month for number, day in enumerate(window.days[:366]) if not by_day or found.rows[number])
    return [calendar.month_name[month] for month in now if month not in trained]
