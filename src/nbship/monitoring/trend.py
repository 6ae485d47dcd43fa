"""The trend: reports of earlier windows, one row each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import MonitoringError
from .verdict import ALERT, WARNING

__all__ = ["FORMAT", "read_report", "trend", "trend_row"]

FORMAT = 1


def read_report(path: Path) -> dict[str, Any]:
    """Read a `report.json`.

    Raises
    ------
    MonitoringError
        If it cannot be read, or its format is newer than this nbship.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        number = report["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MonitoringError(
            f"The report '{path}' cannot be read: {error}. Delete its folder and run `nbship monitor` for that window again."
        ) from error
    if number != FORMAT:
        raise MonitoringError(
            f"The report '{path}' has format {number}; this nbship reads format {FORMAT}. Upgrade nbship."
        )
    return dict(report)


def trend(folder: Path | None, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row for each earlier window of the same model, oldest first, and last one for `report` itself.

    An earlier window ended at or before the start of this one; reports that cannot be read are skipped.
    """
    rows = []
    for path in sorted(folder.glob("*_*/report.json")) if folder else ():
        if path.parent.name.startswith("."):  # being written
            continue
        try:
            earlier = read_report(path)
        except MonitoringError:
            continue
        if earlier["model"] == report["model"] and earlier["window"]["to"] <= report["window"]["from"]:
            rows.append(trend_row(earlier))
    return [*sorted(rows, key=lambda row: (row["from"], row["to"])), trend_row(report)]


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
        "inputs_moved": sum(record["verdict"] in (WARNING, ALERT) for record in report["drift"]),
        "prediction_psi": report["prediction_drift"].get("psi"),
        "verdict": report["verdict"],
    }
