"""Volume and service of a window: rows per day, modes, errors, latency."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..text import listed, plural
from .verdict import ALERT, INSUFFICIENT, OK, WARNING
from .window import Window

if TYPE_CHECKING:
    import pandas as pd

    from ..prediction_log import Record, Timing

__all__ = ["service", "volume"]

_WARNING_SHARE, _ALERT_SHARE = 0.01, 0.05


def volume(
    frame: pd.DataFrame, window: Window, *, unreadable: Sequence[str] = (), alpha: float, min_rows: int
) -> dict[str, Any]:
    """Count a window's predictions by day, by mode and by version of the model.

    A day without rows is a warning if the mean number of rows per day makes an empty day improbable.

    Parameters
    ----------
    frame
        One row per prediction: `event_time` with a zone, `predicted`, `actual` (NaN while unknown), `mode`, `version`.
    unreadable
        One sentence for each batch run whose rows can no longer be read; any is a warning.

    Returns
    -------
    dict
        `rows`, `days` (each `date`, `rows`, `mean_predicted`, `labelled`, `mean_actual`), `per_day` (the median),
        `missing_days`, `by_mode`, `by_version`, `unreadable`, `verdict` and `reason`.
    """
    days = _days(frame, window)
    missing = [day["date"] for day in days if not day["rows"]]
    rows = len(frame)
    return {
        "rows": rows,
        "days": days,
        "per_day": float(np.median([day["rows"] for day in days])),
        "missing_days": missing,
        "by_mode": _counts(frame["mode"]),
        "by_version": _counts(frame["version"]),
        "unreadable": list(unreadable),
        **(_judge_runs(unreadable) or _judge_days(rows, len(days), missing, alpha=alpha, min_rows=min_rows)),
    }


def service(records: Iterable[Record | Timing]) -> dict[str, Any]:
    """Count requests and errors of the service, and measure latency.

    Parameters
    ----------
    records
        Requests that were answered in the window, rejected ones included.

    Returns
    -------
    dict
        `requests`, `errors`, `share_errors`, `latency_ms` (`p50`, `p95`, `p99`, `max`; milliseconds from the
        validated row to its prediction), `from` and `to` (first and last response, UTC), `verdict` and `reason`.
    """
    latencies, errors, first, last = array("d"), 0, None, None
    for record in records:
        if record.error is None:
            latencies.append(record.latency_ms)
        else:
            errors += 1
        first = record.at if first is None else min(first, record.at)
        last = record.at if last is None else max(last, record.at)
    requests = errors + len(latencies)
    return {
        "requests": requests,
        "errors": errors,
        "share_errors": errors / requests if requests else None,
        "latency_ms": _quantiles(np.array(latencies)),
        "from": None if first is None else first.isoformat(),
        "to": None if last is None else last.isoformat(),
        **_judge_errors(requests, errors),
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


def _judge_errors(requests: int, errors: int) -> dict[str, Any]:
    if not requests:
        return {"verdict": INSUFFICIENT, "reason": "No requests in this window."}
    share = errors / requests
    reason = f"{errors} of {requests} {plural(requests, 'request')} failed."
    if errors < 3 or share < _WARNING_SHARE:
        return {"verdict": OK, "reason": reason}
    return {"verdict": ALERT if share >= _ALERT_SHARE else WARNING, "reason": reason}


def _quantiles(latencies: Any) -> dict[str, float | None]:
    names = ("p50", "p95", "p99", "max")
    if not latencies.size:
        return dict.fromkeys(names)
    return dict(zip(names, map(float, np.quantile(latencies, (0.5, 0.95, 0.99, 1.0))), strict=True))


def _counts(column: pd.Series[Any]) -> dict[str, int]:
    return {str(name): int(count) for name, count in column.value_counts().sort_index().items()}


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
