"""The repository's own monitoring notebooks, in a small project."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nbship import project as projects
from nbship.monitoring import parse_window
from nbship.operations import choose_window, monitor

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = ["90_monitor_data", "91_monitor_performance", "92_monitor_service"]
PARTS = ["monitor_data", "monitor_performance", "monitor_service"]


@pytest.fixture
def project(watched: Callable[..., projects.Project]) -> projects.Project:
    return watched(**{name: (FOLDER / f"{name}.ipynb").read_text() for name in NAMES})


def test_the_notebooks_write_a_report_for_a_window(project: projects.Project) -> None:
    window = choose_window(project, None, None)
    assert window.name == "2024-04-01_2024-05-01"
    first = monitor(project, parse_window("2024-03-01", "2024-04-01", zone=project.timezone))
    second = monitor(project, window)
    assert first.report["performance"]["labelled"] == 248  # one every three hours
    assert [row["from"] for row in second.report["trend"]] == ["2024-03-01", "2024-04-01"]
    assert second.report["headline"][:20] in (second.folder / "report.html").read_text()
    for name in ("report", *PARTS):
        page = (second.folder / f"{name}.html").read_text()
        assert "report_window(" not in page  # results for those who read no code
        assert not re.search(r"""(src|href)=["'](https?:)?//""", page)
    for name in PARTS:
        notebook = json.loads((second.folder / f"{name}.ipynb").read_text())
        assert any("report_window(" in "".join(cell["source"]) for cell in notebook["cells"])
    assert len(list((second.folder / "figures").glob("*.png"))) >= 5


def test_the_findings_on_the_cover_lead_to_cells_that_exist(project: projects.Project) -> None:
    done = monitor(project, parse_window("2024-03-01", "2024-04-01", zone=project.timezone))
    links = re.findall(r'href="([^"]+)#cell-id=([^"]+)"', (done.folder / "report.html").read_text())
    assert len(links) == len(done.report["reasons"]) > 0
    for page, cell in links:
        assert f'id="cell-id={cell}"' in (done.folder / page).read_text()


@pytest.mark.parametrize("name", NAMES)
def test_run_all_by_hand_writes_to_scratch(project: projects.Project, name: str) -> None:
    path = project.root / "notebooks" / f"{name}.ipynb"
    path.write_text(path.read_text().replace("2013-07-01", "2024-03-01").replace("2013-08-01", "2024-04-01"))
    command = [sys.executable, "-m", "jupyter", "execute", path.name]
    environ = {**os.environ, "PYTHONWARNINGS": "ignore", "JUPYTER_PLATFORM_DIRS": "1"}
    subprocess.run(command, cwd=path.parent, env=environ, check=True, capture_output=True, timeout=120)
    report = json.loads((project.scratch / "monitor" / "report.json").read_text())
    assert report["window"]["from"] == "2024-03-01"
    assert not (project.state / "monitoring").exists()
