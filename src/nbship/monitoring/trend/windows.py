"""The trend: reports of earlier windows, one row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..report_file import read_reports
from ..verdict import ALERT, WARNING

__all__ = ["reports_before", "trend", "trend_row"]


def reports_before(*folders: Path, model: str, first: str) -> list[dict[str, Any]]:
    """Return the reports of a model's windows that ended at or before a date, oldest first; the last folder's of two.

    Reports that cannot be read, or are incomplete, are skipped.
    """
    found = [report for _, report in read_reports(*folders) if _is_before(report, model, first)]
    return sorted(found, key=lambda report: (report["window"]["from"], report["window"]["to"]))


def _is_before(report: Mapping[str, Any], model: str, first: str) -> bool:
    try:
        return report["model"] == model and report["window"]["to"] <= first and bool(trend_row(report))
    except (KeyError, TypeError):
        return False


def trend(earlier: Sequence[Mapping[str, Any]], report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row for each earlier report, and last one for `report` itself."""
    return [trend_row(each) for each in (*earlier, report)]


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
