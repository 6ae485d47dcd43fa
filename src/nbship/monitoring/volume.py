"""The volume of a window: rows per day, by mode and by version; missing days."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..text import listed, plural
from .verdict import INSUFFICIENT, OK, WARNING
from .window import Window

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["volume"]


def volume(
    frame: pd.DataFrame,
    window: Window,
    *,
    unreadable: Sequence[str] = (),
    over: int | None = None,
    alpha: float,
    min_rows: int,
) -> dict[str, Any]:
    """Count a window's predictions by day, by mode and by version of the model.

    A day without rows is a warning if the mean number of rows per day makes an empty day improbable.

    Parameters
    ----------
    frame
        One row per prediction: `event_time` with a zone, `predicted`, `actual` (NaN while unknown), `mode`, `version`.
    unreadable
        One sentence for each batch run whose rows can no longer be read; any is a warning.
    over
        Days of the window that are over (None: all). Later days without rows are not missing.

    Returns
    -------
    dict
        `rows`, `days` (each `date`, `rows`, `mean_predicted`, `labelled`, `mean_actual`), `per_day` (the median),
        `missing_days`, `by_mode`, `by_version`, `unreadable`, `verdict` and `reason`.
    """
    days = _days(frame, window)
    missing = [day["date"] for day in days[:over] if not day["rows"]]
    # A day that is to come counts only if it has rows already.
    known = [day["rows"] for number, day in enumerate(days) if day["rows"] or over is None or number < over]
    rows = len(frame)
    return {
        "rows": rows,
        "days": days,
        "per_day": float(np.median(known or [0])),
        "missing_days": missing,
        "by_mode": _counts(frame["mode"]),
        "by_version": _counts(frame["version"]),
        "unreadable": list(unreadable),
        **(_judge_runs(unreadable) or _judge_days(rows, len(known), missing, alpha=alpha, min_rows=min_rows)),
    }


def _days(frame: pd.DataFrame, window: Window) -> list[dict[str, Any]]:
    # Days as numbers take a tenth of the memory of dates.
    local = frame["event_time"].dt.tz_convert(window.zone).dt.tz_localize(None).to_numpy()
    grouped = frame[["predicted", "actual"]].groupby(local.astype("datetime64[D]").astype(np.int32))
    rows, known = grouped.size(), grouped["actual"].count()
    means = grouped.mean()
    days = [(day, int(np.datetime64(day).astype(np.int32))) for day in window.days]
    return [
        {
            "date": day.isoformat(),
            "rows": int(rows.get(number, 0)),
            "mean_predicted": _number(means["predicted"].get(number)),
            "labelled": int(known.get(number, 0)),
            "mean_actual": _number(means["actual"].get(number)),
        }
        for day, number in days
    ]


def _judge_runs(unreadable: Sequence[str]) -> dict[str, Any] | None:
    if not unreadable:
        return None
    others = len(unreadable) - 1
    more = f" {others} more {plural(others, 'run is', 'runs are')} affected." if others else ""
    return {"verdict": WARNING, "reason": f"Rows of a batch run are missing. {unreadable[0]}{more}"}


def _judge_days(rows: int, days: int, missing: Sequence[str], *, alpha: float, min_rows: int) -> dict[str, Any]:
    if rows < min_rows:
        return {"verdict": INSUFFICIENT, "reason": f"{rows} {plural(rows, 'row')}; a verdict needs {min_rows}."}
    # If rows arrive at random, a day is empty with the probability exp(-rows per day) (Poisson). For example, 10 rows per
    # day leave a day of a month empty with the probability 31 * exp(-10) = 0.0014.
    per_day = rows / max(1, days - len(missing))
    if missing and days * math.exp(-per_day) < alpha:
        return {
            "verdict": WARNING,
            "reason": f"No predictions on {len(missing)} of {days} {plural(days, 'day')}: {listed(missing, most=5)}.",
        }
    return {
        "verdict": OK,
        "reason": f"{rows} {plural(rows, 'row')} on {days - len(missing)} of {days} {plural(days, 'day')}.",
    }


def _counts(column: pd.Series[Any]) -> dict[str, int]:
    return {str(name): int(count) for name, count in column.value_counts().sort_index().items()}


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
