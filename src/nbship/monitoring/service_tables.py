"""Report tables of the service: requests and latency, CPU time and memory, the cost of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .table import Table

__all__ = ["resources_table", "service_table", "training_table"]


def service_table(report: Mapping[str, Any]) -> Table:
    """Tabulate requests, errors and latency of the service, and predictions by mode."""
    found = report["service"]
    rows = [(f"Predictions by {mode}", f"{count:,}") for mode, count in report["volume"]["by_mode"].items()]
    rows.append(("Requests in this window", f"{found['requests']:,}"))
    if found["requests"]:
        rows.append(("Errors", f"{found['errors']:,} ({found['share_errors']:.1%})"))
        rows += [(f"Latency, {name}", _milliseconds(value)) for name, value in found["latency_ms"].items()]
    return _measures(rows)


def resources_table(report: Mapping[str, Any]) -> Table:
    """Tabulate CPU time and memory of the service's processes."""
    found = report["service"].get("resources", {"processes": 0})
    rows = [("Processes", f"{found['processes']:,}")]
    if found["processes"]:
        memory, requests = found["memory_bytes"], report["service"]["requests"]
        rows += [
            ("Hours, all processes together", f"{found['hours']:,.1f}"),
            ("CPU time", f"{found['cpu_seconds']:,.0f} s"),
        ]
        rows.append(("CPU time per second of a process", f"{found['cores']:.3f} s"))
        if requests:
            rows.append(("CPU time per request", _milliseconds(found["cpu_seconds"] / requests * 1000)))
        rows += [("Memory of a process, mean", _megabytes(memory["mean"])), ("Memory of a process, largest", _megabytes(memory["max"]))]  # fmt: skip
    return _measures(rows)


def training_table(report: Mapping[str, Any]) -> Table:
    """Tabulate the last successful run of each stage on this machine, and their sum."""
    runs = report.get("training", ())
    rows = [_run(run["stage"], run["started"][:16].replace("T", " "), run) for run in runs]
    if len(runs) > 1:
        names = ("seconds", "cpu_seconds")
        whole = {name: sum(run[name] or 0.0 for run in runs) for name in names}
        rows.append(_run("all stages", "", {**whole, "peak_memory": max(run["peak_memory"] or 0 for run in runs)}))
    return Table(rows or [{"Stage": "No runs are recorded on this machine."}], numbers=("Time", "CPU time", "Memory"))


def _run(stage: str, started: str, run: Mapping[str, Any]) -> dict[str, str]:
    cpu, peak = run["cpu_seconds"], run["peak_memory"]
    return {
        "Stage": stage,
        "Started (UTC)": started,
        "Time": f"{run['seconds']:,.1f} s",
        "CPU time": "–" if cpu is None else f"{cpu:,.1f} s",
        "Memory": _megabytes(peak) if peak else "–",
    }


def _measures(rows: list[tuple[str, str]]) -> Table:
    return Table([{"Measure": name, "Value": value} for name, value in rows], numbers=("Value",))


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} ms"


def _megabytes(value: float) -> str:
    return f"{value / 1e6:,.0f} MB"
