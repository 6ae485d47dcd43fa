"""The trend: reports of earlier windows, one row each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .report_file import read_reports
from .verdict import ALERT, WARNING

__all__ = ["trend", "trend_row"]


def trend(folder: Path | None, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row for each earlier window of the same model, oldest first, and last one for `report` itself.

    An earlier window ended at or before the start of this one; reports that cannot be read, or are incomplete, are
    skipped.
    """
    rows = [_row_before(report, earlier) for _, earlier in (read_reports(folder) if folder else ())]
    return [*sorted(filter(None, rows), key=lambda row: (row["from"], row["to"])), trend_row(report)]


def _row_before(report: Mapping[str, Any], earlier: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the row of an earlier window of the same model, or None if it is none."""
    try:
        is_before = earlier["model"] == report["model"] and earlier["window"]["to"] <= report["window"]["from"]
        return trend_row(earlier) if is_before else None
    except (KeyError, TypeError):
        return None


def trend_row(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a report in the trend."""
    measures = report["performance"]["measures"]
    names = [name for name in ("auc", "brier", "base_rate", "mean_probability", "mae", "bias") if name in measures]
    return {
        "from": report["window"]["from"],
        "to": report["window"]["to"],
        "version": report["version"],
        "rows": report["volume"]["rows"],
        "labelled": report["performance"]["labelled"],
        **{name: measures[name] for name in names},
        "inputs_moved": sum(
            record["verdict"] in (WARNING, ALERT) for record in (*report["drift"], *report.get("given", ()))
        ),
        "prediction_psi": report["prediction_drift"].get("psi"),
        "verdict": report["verdict"],
    }
