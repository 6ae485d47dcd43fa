"""A report in words and tables, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .table import Table

__all__ = [
    "conclusion",
    "drift_table",
    "performance_table",
    "reasons_table",
    "service_table",
    "slice_table",
    "summary",
    "trend_table",
]

_NAMES = {
    "auc": "AUC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "calibration_error": "Calibration error",
    "base_rate": "Rate of yes",
    "mean_probability": "Mean probability",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "r2": "Variance explained",
    "bias": "Bias",
    "mean_actual": "Mean of what happened",
    "mean_value": "Mean prediction",
}
# The measure beside which a check's verdict is shown.
_JUDGED = {"mean probability against rate": "mean_probability"}
_NUMBERS = (
    *_NAMES.values(),
    *("Rows", "With a label", "Stability index", "Jensen-Shannon", "Missing", "Missing when trained", "New values"),
    *("This window", "Held-out data", "Inputs moved", "Value"),
)


def summary(report: Mapping[str, Any]) -> str:
    """Return the report's conclusion as Markdown: what changed first, then what to do, then the window's numbers."""
    window, volume, performance = report["window"], report["volume"], report["performance"]
    rows = f"{volume['rows']:,} predictions from {window['from']} until {window['to']} ({window['timezone']})"
    return "\n\n".join(
        [
            f"**{_escape(report['headline'])}**",
            f"{_escape(report['advice'])}",
            f"{_mark(report)} · {rows} · {performance['labelled']:,} with a label · model `{report['model']}`, version `{report['version']}`",
        ]
    )


def conclusion(report: Mapping[str, Any]) -> str:
    """Return the conclusion as Markdown: what changed, what to do, and what could not be judged."""
    blind = [one["reason"] for one in report["reasons"] if one["verdict"] == "insufficient"]
    lines = [f"**{_escape(report['headline'])}** {_escape(report['advice'])}"]
    if blind:
        lines += ["Not judged, for want of data:", "\n".join(f"- {_escape(reason)}" for reason in blind)]
    return "\n\n".join(lines)


def reasons_table(report: Mapping[str, Any]) -> Table:
    """Tabulate what is behind the verdict, warnings and alerts first."""
    rows = [{"Verdict": one["verdict"], "What was found": one["reason"]} for one in report["reasons"]]
    return _table(rows or [{"Verdict": "ok", "What was found": "No check found a change."}])


def drift_table(report: Mapping[str, Any]) -> Table:
    """Tabulate the inputs, those that moved most first."""
    records = sorted(report["drift"], key=lambda record: -(record.get("psi") or 0.0))
    return _table([_drift_row(record) for record in records])


def performance_table(report: Mapping[str, Any]) -> Table:
    """Tabulate the measures of the window beside those of held-out data."""
    reference = report["performance"]["reference"] or {}
    measures = report["performance"]["measures"]
    verdicts = {
        _JUDGED.get(check["check"], check["check"]): check["verdict"] for check in report["performance"]["checks"]
    }
    return _table(
        [
            {
                "Measure": _NAMES[name],
                "This window": _number(value),
                "Held-out data": _number(reference.get(name)),
                "Verdict": verdicts.get(name, ""),
            }
            for name, value in measures.items()
            if name in _NAMES
        ]
    )


def slice_table(report: Mapping[str, Any], *, most: int = 20) -> Table:
    """Tabulate the slices: those that stand out first, then by number of rows."""
    loud = {"warning": 0, "alert": 0}
    rows = sorted(report["slices"], key=lambda row: (loud.get(row["verdict"], 1), -row["rows"]))
    return _table([_slice_row(row) for row in rows[:most]])


def service_table(report: Mapping[str, Any]) -> Table:
    """Tabulate requests, errors and latency of the service, and rows by the way in which they were asked for."""
    found = report["service"]
    rows = [
        {"What": f"Predictions by {mode}", "Value": f"{count:,}"} for mode, count in report["volume"]["by_mode"].items()
    ]
    rows += [{"What": "Requests answered in this window's time", "Value": f"{found['requests']:,}"}]
    if found["requests"]:
        rows += [{"What": "Errors", "Value": f"{found['errors']:,} ({_percent(found['share_errors'])})"}]
        rows += [
            {"What": f"Latency, {name}", "Value": "–" if value is None else f"{value:.2f} ms"}
            for name, value in found["latency_ms"].items()
        ]
    return _table(rows)


def trend_table(report: Mapping[str, Any]) -> Table:
    """Tabulate this window and the earlier ones."""
    return _table(
        [
            {
                "Window": f"{row['from']} – {row['to']}",
                "Version": row["version"],
                "Rows": f"{row['rows']:,}",
                **{_NAMES[name]: _number(value) for name, value in row.items() if name in _NAMES},
                "Inputs moved": row["inputs_moved"],
                "Verdict": row["verdict"],
            }
            for row in report["trend"]
        ]
    )


def _drift_row(record: Mapping[str, Any]) -> dict[str, Any]:
    missing = record.get("missing", {"share": None, "reference_share": None})
    return {
        "Input": record["field"],
        "Verdict": record["verdict"],
        "Stability index": _number(record.get("psi")),
        "Jensen-Shannon": _number(record.get("jensen_shannon")),
        "Missing": _percent(missing["share"]),
        "Missing when trained": _percent(missing["reference_share"]),
        "New values": record.get("new_categories", {}).get("count", 0) or "",
    }


def _slice_row(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = ("mean_probability", "base_rate", "auc", "brier", "mean_value", "mean_actual", "mae")
    return {
        "Slice": row["slice"],
        "Value": "(missing)" if row["value"] is None else str(row["value"]),
        "Verdict": row["verdict"],
        "Rows": f"{row['rows']:,}",
        "With a label": f"{row['n']:,}",
        **{_NAMES[name]: _number(row[name]) for name in shown if name in row},
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    return Table([{title: str(text) for title, text in row.items()} for row in rows], numbers=_NUMBERS)


def _mark(report: Mapping[str, Any]) -> str:
    return f"Verdict: **{report['verdict']}**"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _escape(text: str) -> str:
    """Keep values of the data from being read as Markdown or HTML."""
    for sign in "\\`*_{}[]<>#|$":
        text = text.replace(sign, f"\\{sign}" if sign not in "<>" else {"<": "&lt;", ">": "&gt;"}[sign])
    return text
