"""Where a report shows why: the cell of its page, or the page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..project import Project

__all__ = ["link_to"]

# The calls in a monitoring notebook that show a section.
_SHOWS = {
    "data": r"data_table",
    "drift": r"input_drift|drift_table",
    "given": r"drift_table",
    "unseen": r"data_table",
    "prediction_drift": r"plots\.predictions",
    "performance": r"performance_table|calibration",
    "labels": r"labels_words|labels_table",
    "discovered": r"by_slice|slice_table",
    "slices": r"by_slice|slice_table",
    "volume": r"by_day",
    "service": r"service_table",
}


def link_to(project: Project, window: str, section: str) -> str:
    """Return the address of the cell that shows a section of a report, with `alerts.reports_url`, or its path."""
    page = project.reports / window / "report.html"
    anchor = _anchor(page.with_suffix(".ipynb"), section)
    hosted = project.settings.alerts.reports_url.rstrip("/")
    if hosted:
        return f"{hosted}/{quote(page.relative_to(project.state / 'monitoring').as_posix())}{anchor}"
    shown = page.relative_to(project.root) if page.is_relative_to(project.root) else page
    return f"{shown}{anchor}"


def _anchor(notebook: Path, section: str) -> str:
    """Return the part of an address that leads to a cell, as nbconvert names it; empty without such a cell."""
    try:
        cells: list[dict[str, Any]] = json.loads(notebook.read_bytes())["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    shows = re.compile(_SHOWS.get(section, r"summary"))
    for cell in cells:
        if cell.get("cell_type") == "code" and cell.get("id") and shows.search("".join(cell.get("source", ""))):
            return f"#cell-id={cell['id']}"
    return ""
