"""The repository's own monitoring notebook, in a small project."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packages import make_labels, make_rows

from nbship import predictor
from nbship import project as projects
from nbship.inference.batch.run import predict_file
from nbship.inference.feedback import import_labels
from nbship.monitoring import parse_window
from nbship.operations import choose_window, monitor
from nbship.prediction_log import open_log

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "90_monitor.ipynb"


@pytest.fixture
def project(tmp_path: Path, small_package: Path) -> projects.Project:
    """A project with four months of logged predictions and their labels."""
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "nbship.yaml").write_text("project: {name: small, timezone: America/New_York}\nslices: [line, hour]\n")
    (tmp_path / "notebooks").mkdir()
    shutil.copy(NOTEBOOK, tmp_path / "notebooks")
    found = projects.load(tmp_path)
    shutil.copytree(small_package, found.package)
    rows = make_rows(1000, seed=3)
    rows[["at", "line", "size", "weight"]].to_parquet(tmp_path / "rows.parquet")
    rows[["at", "line"]].assign(label=make_labels(rows)).to_parquet(tmp_path / "labels.parquet")
    model = predictor.load(found.package)
    with open_log(found) as log:
        predict_file(model, log, source=tmp_path / "rows.parquet", target=tmp_path / "scored.parquet")
        import_labels(log, tmp_path / "labels.parquet", signature=model.signature)
    return found


def test_the_notebook_writes_a_report_for_a_window(project: projects.Project) -> None:
    window = choose_window(project, None, None)
    assert window.name == "2024-04-01_2024-05-01"
    first = monitor(project, parse_window("2024-03-01", "2024-04-01", zone=project.timezone))
    second = monitor(project, window)
    assert first.report["performance"]["labelled"] == 248  # one every three hours
    assert [row["from"] for row in second.report["trend"]] == ["2024-03-01", "2024-04-01"]
    page = (second.folder / "report.html").read_text()
    assert second.report["headline"][:20] in page
    assert "report_window(" not in page  # results for those who read no code
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page)
    notebook = json.loads((second.folder / "report.ipynb").read_text())
    assert any("report_window(" in "".join(cell["source"]) for cell in notebook["cells"])
    images = [
        out for cell in notebook["cells"] for out in cell.get("outputs", ()) if "image/png" in out.get("data", {})
    ]
    assert len(images) >= 5


def test_run_all_by_hand_writes_to_scratch(project: projects.Project) -> None:
    path = project.root / "notebooks" / NOTEBOOK.name
    path.write_text(path.read_text().replace("2013-07-01", "2024-03-01").replace("2013-08-01", "2024-04-01"))
    command = [sys.executable, "-m", "jupyter", "execute", path.name]
    environ = {**os.environ, "PYTHONWARNINGS": "ignore", "JUPYTER_PLATFORM_DIRS": "1"}
    subprocess.run(command, cwd=path.parent, env=environ, check=True, capture_output=True, timeout=120)
    report = json.loads((project.scratch / "monitor" / "report.json").read_text())
    assert report["window"]["from"] == "2024-03-01"
    assert not (project.state / "monitoring").exists()
