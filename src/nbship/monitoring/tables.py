"""Tables of a report as a person reads them: frames with rounded numbers in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

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
_MARKS = {"ok": "✓ ok", "insufficient": "… insufficient", "warning": "▲ warning", "alert": "● alert"}


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


def reasons_table(report: Mapping[str, Any]) -> pd.DataFrame:
    """Tabulate what is behind the verdict, the loudest first."""
    rows = [{"Verdict": _MARKS[one["verdict"]], "What was found": one["reason"]} for one in report["reasons"]]
    return _frame(rows or [{"Verdict": _MARKS["ok"], "What was found": "No check found a change."}])


def drift_table(report: Mapping[str, Any]) -> pd.DataFrame:
    """Tabulate the inputs, those that moved most first."""
    records = sorted(report["drift"], key=lambda record: -(record.get("psi") or 0.0))
    return _frame([_drift_row(record) for record in records])


def performance_table(report: Mapping[str, Any]) -> pd.DataFrame:
    """Tabulate the measures of the window beside those of held-out data."""
    reference = report["performance"]["reference"] or {}
    measures = report["performance"]["measures"]
    return _frame(
        [
            {"Measure": _NAMES[name], "This window": _number(value), "Held-out data": _number(reference.get(name))}
            for name, value in measures.items()
            if name in _NAMES
        ]
    )


def slice_table(report: Mapping[str, Any], *, most: int = 50) -> pd.DataFrame:
    """Tabulate the slices: those that stand out first, then by number of rows."""
    loud = {"warning": 0, "alert": 0}
    rows = sorted(report["slices"], key=lambda row: (loud.get(row["verdict"], 1), -row["rows"]))
    return _frame([_slice_row(row) for row in rows[:most]])


def service_table(report: Mapping[str, Any]) -> pd.DataFrame:
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
    return _frame(rows)


def trend_table(report: Mapping[str, Any]) -> pd.DataFrame:
    """Tabulate this window and the earlier ones."""
    return _frame(
        [
            {
                "Window": f"{row['from']} – {row['to']}",
                "Version": row["version"],
                "Rows": f"{row['rows']:,}",
                **{_NAMES[name]: _number(value) for name, value in row.items() if name in _NAMES},
                "Inputs moved": row["inputs_moved"],
                "Verdict": _MARKS[row["verdict"]],
            }
            for row in report["trend"]
        ]
    )


def _drift_row(record: Mapping[str, Any]) -> dict[str, Any]:
    missing = record.get("missing", {"share": None, "reference_share": None})
    return {
        "Input": record["field"],
        "Verdict": _MARKS[record["verdict"]],
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
        "Verdict": _MARKS[row["verdict"]],
        "Rows": f"{row['rows']:,}",
        "With a label": f"{row['n']:,}",
        **{_NAMES[name]: _number(row[name]) for name in shown if name in row},
    }


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows)
    return frame.set_index(frame.columns[0]) if len(frame.columns) else frame


def _mark(report: Mapping[str, Any]) -> str:
    return f"Verdict: **{_MARKS[report['verdict']]}**"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _escape(text: str) -> str:
    """Keep values of the data from being read as Markdown or HTML."""
    for sign in "\\`*_{}[]<>#|$":
        text = text.replace(sign, f"\\{sign}" if sign not in "<>" else {"<": "&lt;", ">": "&gt;"}[sign])
    return text
