"""The index page of monitoring reports: a line for each window, the newest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from ..atomic_write import write_whole
from ..monitoring import read_reports
from ..project import Project
from .html_page import html_page

__all__ = ["write_index"]


def write_index(project: Project) -> Path:
    """Write `index.html` beside the reports of a project's model; return its path."""
    path = project.reports / "index.html"
    found = list(read_reports(project.reports, newest_first=True))
    names = dict.fromkeys(str(report.get("model", "")) for _, report in found)
    title = f"Monitoring of {', '.join(names)}" if found else "Monitoring"
    rows = "\n".join(_rows(found)) or "<tr><td>No reports."
    body = f"""<h1>{escape(title)}</h1>
<table class="stacked">
<thead><tr><th>Window<th>Verdict<th>Rows<th>In words</tr></thead>
<tbody>
{rows}
</tbody>
</table>"""
    write_whole(path, html_page(title, body), mode=0o600)
    return path


def _rows(found: list[tuple[Path, dict[str, Any]]]) -> Iterator[str]:
    for path, report in found:
        try:
            yield _row(path, report)
        except (KeyError, TypeError):
            continue


def _row(path: Path, report: Mapping[str, Any]) -> str:
    window, verdict = report["window"], escape(str(report["verdict"]))
    link = f'<a href="{escape(path.parent.name)}/report.html">{escape(window["from"])} to {escape(window["to"])}</a>'
    return (
        f'<tr><td class="date">{link}<td class="{verdict}">{verdict}<td>{report["volume"]["rows"]:,}'
        f"<td>{escape(report['headline'])}"
    )
