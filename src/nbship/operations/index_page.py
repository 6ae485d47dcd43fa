"""The index page of monitoring reports: a line for each window, the newest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from ..atomic_write import write_whole
from ..monitoring import read_reports
from ..project import Project

__all__ = ["write_index"]

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #8886; }}
td:first-child {{ white-space: nowrap; }}
td.alert {{ color: #d33; font-weight: 600; }} td.warning {{ color: #c60; font-weight: 600; }}
td.notice {{ color: #38c; }} td.ok {{ color: #2a7; }}
</style>
<h1>{title}</h1>
<table>
<thead><tr><th>Window<th>Verdict<th>Rows<th>In words</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</html>
"""


def write_index(project: Project) -> Path:
    """Write `index.html` beside the reports of a project's model; return its path."""
    path = project.reports / "index.html"
    found = list(read_reports(project.reports, newest_first=True))
    names = dict.fromkeys(str(report.get("model", "")) for _, report in found)
    title = f"Monitoring of {', '.join(names)}" if found else "Monitoring"
    rows = "\n".join(_rows(found))
    write_whole(path, _PAGE.format(title=escape(title), rows=rows or "<tr><td>No reports."), mode=0o600)
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
        f'<tr><td>{link}<td class="{verdict}">{verdict}<td>{report["volume"]["rows"]:,}<td>{escape(report["headline"])}'
    )
