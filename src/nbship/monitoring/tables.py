"""Report tables, and the summary and conclusion as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..text import counted
from .parts import findings_of, sentence_of, verdict_of
from .segment_tables import discovered_table, feedback_table, history_table, segments_table
from .service_tables import resources_table, service_table, training_table
from .table import Table

__all__ = [
    "conclusion",
    "data_table",
    "discovered_table",
    "drift_table",
    "feedback_table",
    "history_table",
    "labels_table",
    "labels_words",
    "performance_table",
    "promises",
    "reasons_table",
    "resources_table",
    "segments_table",
    "service_table",
    "slice_table",
    "summary",
    "training_table",
    "trend_table",
]

_NAMES = {
    "auc": "AUC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "calibration_error": "Calibration error",
    "calibration_intercept": "Calibration intercept",
    "calibration_slope": "Calibration slope",
    "base_rate": "Observed rate",
    "mean_probability": "Mean probability",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "r2": "R²",
    "bias": "Bias",
    "mean_actual": "Mean outcome",
    "mean_value": "Mean prediction",
}
# The row of the table that shows the verdict of a check of another name.
_JUDGED = {"mean probability against rate": "mean_probability"}
_NUMBERS = (
    *_NAMES.values(),
    *("Rows", "Labelled", "Stability index", "Limit", "Worth", "Missing", "Missing in training", "New values"),
    *("This window", "Held-out data", "Inputs drifted", "Value"),
)


def summary(report: Mapping[str, Any], *, part: str | None = None) -> str:
    """Return as Markdown what changed, then what to do, then the window's numbers.

    Parameters
    ----------
    part
        The part of the report: "data", "performance" or "service"; None: the whole report.
    """
    window, volume, performance = report["window"], report["volume"], report["performance"]
    rows = f"{volume['rows']:,} predictions from {window['from']} to {window['to']} ({window['timezone']})"
    verdict = report["verdict"] if part is None else verdict_of(report, part)
    return "\n\n".join(
        [
            f"**{_escape(report['headline'] if part is None else sentence_of(report, part))}**",
            _escape(report["advice"] if part is None else f"The window as a whole: {report['headline']}"),
            f"Verdict: **{verdict}** · {rows} · {performance['labelled']:,} labelled · model `{report['model']}`, version `{report['version']}`",
        ]
    )


def conclusion(report: Mapping[str, Any], *, part: str | None = None) -> str:
    """Return the conclusion as Markdown: what changed, what to do, and which checks of a part had too little data."""
    unjudged = [one["reason"] for one in findings_of(report, part) if one["verdict"] == "insufficient"]
    whole = f"**{_escape(report['headline'])}** {_escape(report['advice'])}"
    lines = [whole if part is None else f"**{_escape(sentence_of(report, part))}**"]
    if unjudged:
        lines += ["Not judged, too little data:", "\n".join(f"- {_escape(reason)}" for reason in unjudged)]
    return "\n\n".join(lines)


def reasons_table(report: Mapping[str, Any], *, part: str | None = None) -> Table:
    """Tabulate the findings and the insufficient checks of a part (None: all), findings first."""
    rows = [{"Verdict": one["verdict"], "Finding": one["reason"]} for one in findings_of(report, part)]
    return _table(
        rows
        or [
            {"Verdict": "ok", "Finding": "No change found."}
            if part is None
            else {"Verdict": verdict_of(report, part), "Finding": sentence_of(report, part)}
        ]
    )


def drift_table(report: Mapping[str, Any]) -> Table:
    """Tabulate the inputs: findings first, then those worth a look, then the nearest to their limits."""
    both = [*report["drift"], *report.get("given", ())]
    return _table([_drift_row(record) for record in sorted(both, key=_rank)])


def _rank(record: Mapping[str, Any]) -> tuple[int, bool, float]:
    history = record.get("history")
    order = {"alert": 0, "warning": 1}.get(record["verdict"], 2)
    return order, not record.get("listed"), -(record.get("psi") or 0.0) / (history["limit"] if history else 1.0)


def data_table(report: Mapping[str, Any]) -> Table:
    """Tabulate the checks of rows as a whole, and what training never saw."""
    unseen = report.get("unseen")
    rows = [{"Check": "not seen in training", "Subject": "months and ranges", **_judged(unseen)}] if unseen else []
    checks = [{"Check": each["check"], "Subject": each["subject"], **_judged(each)} for each in report.get("data", ())]
    return _table([*checks, *rows] or [{"Check": "none", "Finding": "The report is of an older format."}])


def _judged(record: Mapping[str, Any]) -> dict[str, Any]:
    return {"Verdict": record["verdict"], "Finding": record["reason"]}


def promises(report: Mapping[str, Any]) -> str:
    """Return how far the verdicts on data can be trusted, as Markdown."""
    found = report.get("promises") or {}
    if not found.get("periods"):
        return f"Insufficient history: {_escape(found.get('reason') or 'the package does not store past periods.')}"
    return (
        f"Judged by {found['periods']} past periods of {found['days']} days. On data that differ no more than those, "
        f"{found['false_alarms']:.0%} of reports raise a false alarm if past indices are log-normal; without this "
        f"assumption, {found['periods']} periods support no more than one in {found['periods'] + 1} reports."
    )


def performance_table(report: Mapping[str, Any]) -> Table:
    """Tabulate the measures of the window beside those on held-out data."""
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
                "95 % interval": _interval(report["performance"].get("intervals", {}).get(name)),
                "Held-out data": _number(reference.get(name)),
                "Verdict": verdicts.get(name, ""),
            }
            for name, value in measures.items()
            if name in _NAMES
        ]
    )


def labels_words(report: Mapping[str, Any]) -> str:
    """Return as Markdown how many labels are known, and what is known of performance without them."""
    performance = report["performance"]
    if "labels" not in report:
        return _escape(performance["reason"])
    lines = [_escape(report["labels"]["reason"])]
    if (worth := performance["effective_rows"]) is not None:
        lines.append(
            f"\nThe {performance['labelled']:,} rows with a label, of {counted(performance['days'], 'day')}, tell as much about the mean miss as {counted(round(worth), 'independent row')}.\n"
        )
    for one in performance["estimates"]:
        name = _NAMES[one["measure"]]
        value = f"{_number(one['value'])} ({_number(one['low'])} to {_number(one['high'])}). " if one["shown"] else ""
        lines.append(f"- {name}, estimated: {value}{_escape(one['reason'])}")
    if (last := performance["last_labelled"]) is not None:
        lines.append(
            f"\nThe last window whose labels are known: {last['from']} to {last['to']}, {last['age_days']} days before this one; {_number(last['value'])}."
        )
    return "\n".join(lines)


def labels_table(report: Mapping[str, Any], *, most: int = 14) -> Table:
    """Tabulate the last days on which rows have no label yet, after the sum of all days."""
    cohorts = report.get("labels", {}).get("cohorts", ())
    whole = {name: sum(one[name] for one in cohorts) for name in ("rows", "labelled")}
    shown = [{"day": "all days", **whole}, *[one for one in cohorts if one["labelled"] < one["rows"]][-most:]]
    return _table(
        [
            {
                "Day": one["day"],
                "Rows": f"{one['rows']:,}",
                "Labelled": f"{one['labelled']:,}",
                "Share": _percent(one["labelled"] / one["rows"] if one["rows"] else None),
            }
            for one in shown
        ]
    )


def slice_table(report: Mapping[str, Any], *, most: int = 20) -> Table:
    """Tabulate the slices: findings first, then by number of rows."""
    order = {"warning": 0, "alert": 0}
    rows = sorted(report["slices"], key=lambda row: (order.get(row["verdict"], 1), -row["rows"]))
    return _table([_slice_row(row) for row in rows[:most]])


def trend_table(report: Mapping[str, Any]) -> Table:
    """Tabulate this window and the earlier ones."""
    return _table(
        [
            {
                "Window": f"{row['from']} – {row['to']}",
                "Version": row["version"],
                "Rows": f"{row['rows']:,}",
                **{_NAMES[name]: _number(value) for name, value in row.items() if name in _NAMES},
                "Inputs drifted": row["inputs_moved"],
                "Verdict": row["verdict"],
            }
            for row in report["trend"]
        ]
    )


def _drift_row(record: Mapping[str, Any]) -> dict[str, Any]:
    missing = record.get("missing", {"share": None, "reference_share": None})
    history, worth = record.get("history"), record.get("effective_rows")
    verdict = f"{record['verdict']}, worth a look" if record.get("listed") and record["verdict"] == "ok" else record["verdict"]  # fmt: skip
    return {
        "Input": record["field"],
        "Verdict": f"{record['verdict']}, not used" if record.get("unused") else verdict,
        "Stability index": _number(record.get("psi")),
        "Limit": _number(history["limit"] if history else None),
        "Rows": f"{record['rows']:,}",
        "Worth": "–" if worth is None else f"{worth:,.0f}",
        "Missing": _percent(missing["share"]),
        "Missing in training": _percent(missing["reference_share"]),
        "New values": record.get("new_categories", {}).get("count", 0) or "",
    }


def _interval(limits: Mapping[str, float] | None) -> str:
    return "–" if limits is None else f"{_number(limits['low'])} to {_number(limits['high'])}"


def _slice_row(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = ("mean_probability", "base_rate", "auc", "brier", "mean_value", "mean_actual", "mae")
    return {
        "Slice": row["slice"],
        "Value": "(missing)" if row["value"] is None else str(row["value"]),
        "Verdict": row["verdict"],
        "Rows": f"{row['rows']:,}",
        "Labelled": f"{row['n']:,}",
        **{_NAMES[name]: _number(row[name]) for name in shown if name in row},
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    return Table([{title: str(text) for title, text in row.items()} for row in rows], numbers=_NUMBERS)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _escape(text: str) -> str:
    """Escape values of the data, which are neither Markdown nor HTML."""
    for sign in "\\`*_{}[]<>#|$":
        text = text.replace(sign, f"\\{sign}" if sign not in "<>" else {"<": "&lt;", ">": "&gt;"}[sign])
    return text
