"""The cover page of a window: what changed, what to do, and links to the cells that show why."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from ..alerting import page_of
from ..atomic_write import write_whole
from ..monitoring import read_report
from ..project import Project
from .html_page import html_page
from .requirements import output_names

__all__ = ["write_cover"]


def write_cover(project: Project, folder: Path) -> Path:
    """Write `report.html` from the report and the executed notebooks in a folder; return its path."""
    report = read_report(folder / "report.json")
    window = report["window"]
    title = f"{report['model']}: {window['from']} to {window['to']}"
    body = f"""<h1>{escape(title)}</h1>
<p><span class="{escape(report["verdict"])}">{escape(report["verdict"])}</span>
<p class="headline">{escape(report["headline"])}
<p>{escape(report["advice"])}
<p class="note">{report["volume"]["rows"]:,} predictions, {report["performance"]["labelled"]:,} of them labelled · version {escape(report["version"])} · {escape(window["timezone"])}
<h2>Why</h2>
<table class="stacked"><thead><tr><th>Verdict<th>Finding</tr></thead><tbody>
{_reasons(report, folder) or "<tr><td>ok<td>No change found."}
</tbody></table>
<h2>In detail</h2>
<ul class="pages">
{_pages(project, folder)}
</ul>
<p class="note"><a href="report.json">All numbers</a> · <a href="../index.html">All windows</a>"""
    path = folder / "report.html"
    write_whole(path, html_page(title, body), durable=True, mode=0o600)
    return path


def _reasons(report: Mapping[str, Any], folder: Path) -> str:
    rows = []
    for one in report["reasons"]:
        verdict, words = escape(one["verdict"]), escape(one["reason"])
        page = page_of(folder, one.get("section", ""))
        rows.append(f'<tr><td class="{verdict}">{verdict}<td>' + (f'<a href="{escape(page)}">{words}</a>' if page else words))  # fmt: skip
    return "\n".join(rows)


def _pages(project: Project, folder: Path) -> str:
    names = output_names(project).values()
    return "\n".join(
        f'<li><a href="{escape(name)}.html">{_inside(folder, name)}</a>'
        if (folder / f"{name}.html").is_file()
        else f"<li>The notebook '{escape(name)}' failed."
        for name in names
    )


def _inside(folder: Path, name: str) -> str:
    """Return a notebook's title, and its first figure."""
    titles = _titles(json.loads((folder / f"{name}.ipynb").read_bytes()))
    figures = sorted((folder / "figures").glob(f"{name}-*.png"), key=lambda path: _numbers(path.stem))
    image = f'<img src="figures/{escape(figures[0].name)}" alt="">' if figures else ""
    return escape(next(titles, name)) + image


def _titles(notebook: Mapping[str, Any]) -> Iterator[str]:
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            yield from re.findall(r"^#[ \t]+(.+?)[ \t]*$", "".join(cell["source"]), re.MULTILINE)


def _numbers(stem: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", stem)]
