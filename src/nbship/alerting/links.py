"""Where a report shows why: the cell of a notebook's page, or the cover page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..project import Project

__all__ = ["link_to", "page_of"]

# The calls in a monitoring notebook that show a section.
_SHOWS = {
    "data": r"data_table",
    "drift": r"input_drift|drift_table",
    "given": r"drift_table",
    "unseen": r"data_table",
    "prediction_drift": r"plots\.predictions",
    "performance": r"performance_table|calibration",
    "labels": r"labels_words|labels_table",
    "discovered": r"discovered_table|by_slice|slice_table",
    "segments": r"segments_table",
    "feedback": r"feedback_table",
    "history": r"history_table|trend_table",
    "slices": r"by_slice|slice_table",
    "volume": r"by_day",
    "service": r"service_table",
}


def link_to(project: Project, window: str, section: str) -> str:
    """Return the address of the cell that shows a section of a report, with `alerts.reports_url`, or its path."""
    folder = project.reports / window
    page, _, anchor = (page_of(folder, section) or "report.html").partition("#")
    path, anchor = folder / page, f"#{anchor}" if anchor else ""
    hosted = project.settings.alerts.reports_url.rstrip("/")
    if hosted:
        return f"{hosted}/{quote(path.relative_to(project.state / 'monitoring').as_posix())}{anchor}"
    return f"{path.relative_to(project.root) if path.is_relative_to(project.root) else path}{anchor}"


def page_of(folder: Path, section: str) -> str:
    """Return the page in a report's folder, and the cell in it, that shows a section; empty without such a cell.

    For example, 'monitor_data.html#cell-id=drift-table', as nbconvert names cells.
    """
    if section not in _SHOWS:
        return ""
    shows = re.compile(_SHOWS[section])
    for path in sorted(folder.glob("*.ipynb")):
        for cell in _cells(path):
            if cell.get("cell_type") == "code" and cell.get("id") and shows.search("".join(cell.get("source", ""))):
                return f"{path.stem}.html#cell-id={cell['id']}"
    return ""


def _cells(notebook: Path) -> list[dict[str, Any]]:
    try:
        cells: list[dict[str, Any]] = json.loads(notebook.read_bytes())["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return cells
