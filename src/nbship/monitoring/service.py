"""The health of the service in a window: requests, errors, latency; CPU time and memory; the cost of training.

The window is one of log time: when the service responded, and not when the events of its predictions are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from ..model.signature import to_local
from ..text import plural
from .verdict import ALERT, INSUFFICIENT, OK, WARNING, worst

if TYPE_CHECKING:
    from ..prediction_log import LoggedTimings, Usage
    from ..run_records import RunRecord

__all__ = ["judge_service", "resources", "service", "training"]

_WARNING_SHARE, _ALERT_SHARE = 0.01, 0.05
# A percentile of fewer requests says little, and so does a history of fewer windows.
_LEAST_REQUESTS, _LEAST_WINDOWS = 100, 3
# The 95th percentile as a multiple of the largest in earlier windows, and in milliseconds.
_SLOWER, _MUCH_SLOWER, _LEAST_MS = 2.0, 5.0, 1.0
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
_UTC = ZoneInfo("UTC")


def service(timings: Iterable[LoggedTimings], *, zone: ZoneInfo = _UTC) -> dict[str, Any]:
    """Count requests and errors of the service, and measure latency. Each row of a list counts as a request of its own.

    Parameters
    ----------
    timings
        Of the requests that were answered in the window, in parts.
    zone
        The time zone of the days.

    Returns
    -------
    dict
        `requests`, `errors`, `share_errors`, `latency_ms` (`p50`, `p95`, `p99`, `max`; milliseconds from the
        validated row to its prediction), `from` and `to` (first and last response, UTC), `days` (each `date`, `requests`,
        `errors`, `p50`, `p95`), `verdict` and `reason`.
    """
    times, latencies, counts = [np.empty(0, dtype=np.int64)], [np.empty(0)], [np.empty(0, dtype=np.int64)]
    for part in timings:
        times.append(np.array(part.at, dtype=np.int64))
        # None is NaN.
        latencies.append(np.array(part.latency_ms, dtype=np.float64))
        counts.append(np.array(part.rows, dtype=np.int64))
    at, latency, rows = np.concatenate(times), np.concatenate(latencies), np.concatenate(counts)
    answered = latency[~np.isnan(latency)]
    requests, errors = int(rows.sum()), int(rows[np.isnan(latency)].sum())
    found = {
        "requests": requests,
        "errors": errors,
        "share_errors": errors / requests if requests else None,
        "latency_ms": _quantiles(answered),
        "from": _moment(int(at.min())) if requests else None,
        "to": _moment(int(at.max())) if requests else None,
        "days": _days(at, latency, rows, zone),
    }
    return found | judge_service(found, ())


def judge_service(found: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Judge the errors, and the latency by that of earlier windows.

    Parameters
    ----------
    earlier
        The sections of earlier windows.

    Returns
    -------
    dict
        `verdict`, `reason` and `checks` of "errors" and "latency", each with `value`, `reference`, `verdict`, `reason`.
    """
    if not found["requests"]:
        return {"verdict": INSUFFICIENT, "reason": "No requests in this window.", "checks": []}
    checks = [_errors(found["requests"], found["errors"]), _latency(found, earlier)]
    judged = [check for check in checks if check["verdict"] != INSUFFICIENT]
    return {
        "verdict": worst(check["verdict"] for check in judged),
        "reason": " ".join(check["reason"] for check in checks),
        "checks": checks,
    }


def _errors(requests: int, errors: int) -> dict[str, Any]:
    share = errors / requests
    verdict = OK if errors < 3 or share < _WARNING_SHARE else ALERT if share >= _ALERT_SHARE else WARNING
    reason = f"{errors} of {requests} {plural(requests, 'request')} failed."
    return {"check": "errors", "value": share, "reference": None, "verdict": verdict, "reason": reason}


def _latency(found: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    now = found["latency_ms"]["p95"]
    before = [each["latency_ms"]["p95"] for each in earlier if each.get("requests", 0) - each.get("errors", 0) >= _LEAST_REQUESTS]  # fmt: skip
    check = {"check": "latency", "value": now, "reference": max(before) if before else None}
    if found["requests"] - found["errors"] < _LEAST_REQUESTS:
        return check | {"verdict": INSUFFICIENT, "reason": f"Latency is judged from {_LEAST_REQUESTS} requests on."}
    words = f"95 % of the predictions took at most {now:.2f} ms"
    if len(before) < _LEAST_WINDOWS:
        reason = f"{words}; a comparison needs {_LEAST_WINDOWS} earlier windows with requests."
        return check | {"verdict": INSUFFICIENT, "reason": reason}
    slower = now / max(before) if now >= _LEAST_MS else 0.0
    verdict = ALERT if slower >= _MUCH_SLOWER else WARNING if slower >= _SLOWER else OK
    return check | {"verdict": verdict, "reason": f"{words}, in earlier windows at most {max(before):.2f} ms."}


def resources(usage: Sequence[Usage], *, zone: ZoneInfo = _UTC) -> dict[str, Any]:
    """Sum up CPU time and memory of the service's processes.

    Returns
    -------
    dict
        `processes`; `hours` (of all processes together); `cpu_seconds`; `cores` (mean CPU time per second of a
        process); `memory_bytes`: `mean` and `max` of a process; `days`: each `date`, `cpu_seconds`, `memory_bytes` (the
        largest of a process).
    """
    if not usage:
        return {"processes": 0, "hours": 0.0, "cpu_seconds": 0.0, "cores": None, "memory_bytes": None, "days": []}
    seconds, cpu = sum(one.seconds for one in usage), sum(one.cpu_seconds for one in usage)
    memory = [one.memory_bytes for one in usage]
    days: dict[str, dict[str, Any]] = {}
    for one in usage:
        date = one.at.astimezone(zone).date().isoformat()
        day = days.setdefault(date, {"date": date, "cpu_seconds": 0.0, "memory_bytes": 0})
        day["cpu_seconds"] += one.cpu_seconds
        day["memory_bytes"] = max(day["memory_bytes"], one.memory_bytes)
    return {
        "processes": len({one.process for one in usage}),
        "hours": seconds / 3600,
        "cpu_seconds": cpu,
        "cores": cpu / seconds if seconds else None,
        "memory_bytes": {"mean": sum(memory) / len(memory), "max": max(memory)},
        "days": list(days.values()),
    }


def training(records: Iterable[RunRecord]) -> list[dict[str, Any]]:
    """Return the cost of the last successful run of each stage: `stage`, `started`, `seconds`, `cpu_seconds`, `peak_memory`."""
    last = {record.stage: record for record in records if record.outcome == "done"}
    names = ("stage", "started", "seconds", "cpu_seconds", "peak_memory")
    return [{name: getattr(record, name) for name in names} for record in last.values()]


def _days(at: Any, latency: Any, rows: Any, zone: ZoneInfo) -> list[dict[str, Any]]:
    if not len(at):
        return []
    local = to_local(at.view("datetime64[us]"), zone.key).astype("datetime64[D]")
    order = np.argsort(local, kind="stable")
    dates, starts = np.unique(local[order], return_index=True)
    found = []
    for date, places in zip(dates, np.split(order, starts[1:]), strict=True):
        failed, counts = np.isnan(latency[places]), rows[places]
        quantiles = _quantiles(latency[places][~failed])
        found.append({"date": str(date), "requests": int(counts.sum()), "errors": int(counts[failed].sum()), "p50": quantiles["p50"], "p95": quantiles["p95"]})  # fmt: skip
    return found


def _quantiles(latencies: Any) -> dict[str, float | None]:
    if not latencies.size:
        return dict.fromkeys(_QUANTILES)
    return dict(zip(_QUANTILES, map(float, np.quantile(latencies, list(_QUANTILES.values()))), strict=True))


def _moment(micros: int) -> str:
    return (datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)).isoformat()
