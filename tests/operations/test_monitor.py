from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from nbship import project as projects
from nbship.cli.monitor import command
from nbship.errors import CellError, LogError, MonitoringError, NotebookError, ParameterError
from nbship.model import Field, Signature
from nbship.model.package.manifest import json_bytes, make_manifest
from nbship.monitoring.window import parse_window
from nbship.operations import choose_window, monitor
from nbship.prediction_log import Label, open_log

WINDOW = parse_window("2024-07-01", "2024-08-01", zone=ZoneInfo("UTC"))
SIGNATURE = Signature(inputs=(Field("at", "datetime"),), event_time="at")
PARAMETERS = "window_from = None\nwindow_to = None\nproduct = None"
REPORT = {
    "format": 1,
    "model": "shops",
    "headline": "Nothing changed.",
    "advice": "Nothing to do.",
    "verdict": "warning",
    "reasons": [{"verdict": "warning", "reason": f"Reason {k}."} for k in range(12)],
}
WRITE = f"import json, pathlib\npathlib.Path(product['report']).write_text(json.dumps({REPORT!r} | {{'window': [window_from, window_to]}}))"


def _notebook(*sources: str) -> str:
    cells = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"c{k}",
            "metadata": {},
            "outputs": [],
            "source": source.splitlines(keepends=True),
        }
        for k, source in enumerate(sources)
    ]
    cells[0]["metadata"] = {"tags": ["parameters"]}
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def _project(root: Path, *sources: str) -> projects.Project:
    """A project whose package and log exist and are never opened: the notebooks here do not read them."""
    (root / "pipeline.yaml").write_text("tasks: []\n")
    (root / "notebooks").mkdir()
    if sources:
        (root / "notebooks" / "90_monitor.ipynb").write_text(_notebook(*sources))
    project = projects.load(root)
    project.package.mkdir(parents=True)
    _write_package(project, SIGNATURE)
    open_log(project).close()
    return project


def _write_package(project: projects.Project, signature: Signature) -> None:
    content = json_bytes(signature.to_json())
    (project.package / "signature.json").write_bytes(content)
    (project.package / "MANIFEST.json").write_bytes(make_manifest("shop", {"signature.json": content}))


def test_a_report_is_written_as_notebook_html_and_json(tmp_path: Path) -> None:
    project = _project(tmp_path, PARAMETERS, WRITE, "print('in ' + 'words')")
    done = monitor(project, WINDOW)
    assert done.folder == tmp_path / ".nbship/state/monitoring/2024-07-01_2024-08-01"
    assert sorted(path.name for path in done.folder.iterdir()) == ["report.html", "report.ipynb", "report.json"]
    assert done.report["window"] == ["2024-07-01", "2024-08-01"]
    page = (done.folder / "report.html").read_text()
    assert "in words" in page
    assert "&#39;words&#39;" not in page  # no code on the page
    assert list(done.folder.parent.iterdir()) == [done.folder]


def test_the_notebook_names_its_folder_and_is_reproducible(tmp_path: Path) -> None:
    project = _project(tmp_path, PARAMETERS, WRITE)
    first = {path.name: path.read_bytes() for path in monitor(project, WINDOW).folder.iterdir()}
    second = {path.name: path.read_bytes() for path in monitor(project, WINDOW, force=True).folder.iterdir()}
    assert first == second
    assert b"../.nbship/state/monitoring/2024-07-01_2024-08-01/report.json" in first["report.ipynb"]


def test_a_report_is_written_again_when_something_changed_and_not_before(tmp_path: Path) -> None:
    project = _project(tmp_path, PARAMETERS, WRITE)
    assert not monitor(project, WINDOW).current
    assert monitor(project, WINDOW).current
    with open_log(project) as log:
        log.append(Label(label="1", at=datetime.now(UTC), prediction_id=None, keys="{}", time=None))
    assert not monitor(project, WINDOW).current
    _write_package(project, Signature(inputs=(*SIGNATURE.inputs, Field("size", "int")), event_time="at"))
    assert not monitor(project, WINDOW).current
    (project.root / "notebooks" / "90_monitor.ipynb").write_text(_notebook(PARAMETERS, WRITE, "1 + 1"))
    assert not monitor(project, WINDOW).current
    (project.state / "monitoring" / WINDOW.name / "report.html").unlink()
    assert not monitor(project, WINDOW).current
    assert monitor(project, WINDOW).current


def test_the_state_folder_is_configurable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_STATE", "elsewhere")
    check = f"from nbship import project\nassert str(project.load().state) == {str(tmp_path / 'elsewhere')!r}"
    project = _project(tmp_path / "project", PARAMETERS, check, WRITE)
    assert monitor(project, WINDOW).folder.parent == tmp_path / "elsewhere" / "monitoring"


def test_a_failing_notebook_leaves_the_last_report_and_its_own_outputs(tmp_path: Path) -> None:
    project = _project(tmp_path, PARAMETERS, WRITE)
    folder = monitor(project, WINDOW).folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (tmp_path / "notebooks/90_monitor.ipynb").write_text(_notebook(PARAMETERS, WRITE, "print('so far')", "1 / 0"))
    with pytest.raises(CellError, match=r"failed in cell In \[4\]: ZeroDivisionError: division by zero"):
        monitor(project, WINDOW)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert "so far" in (tmp_path / ".nbship/scratch/monitor/report.ipynb").read_text()
    assert list(folder.parent.iterdir()) == [folder]


def test_secrets_are_neither_in_the_report_nor_in_what_a_failure_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "open-sesame")
    (tmp_path / "nbship.yaml").write_text("project: {secrets: [TOKEN]}\n")
    say = "import os\nprint(os.environ['TOKEN'])"
    folder = monitor(_project(tmp_path, PARAMETERS, WRITE, say), WINDOW).folder
    assert "[TOKEN]" in (folder / "report.html").read_text()
    (tmp_path / "notebooks/90_monitor.ipynb").write_text(
        _notebook(PARAMETERS, say, "raise ValueError(os.environ['TOKEN'])")
    )
    with pytest.raises(CellError, match=r"ValueError: \[TOKEN\]"):
        monitor(projects.load(tmp_path), WINDOW)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"open-sesame" in path.read_bytes()]


def test_a_monitoring_error_is_one_sentence(tmp_path: Path) -> None:
    refuse = "from nbship.errors import MonitoringError\nraise MonitoringError('No predictions in this window. Choose another.')"
    project = _project(tmp_path, PARAMETERS, refuse)
    with pytest.raises(MonitoringError, match=r"^No predictions in this window\. Choose another\.$"):
        monitor(project, WINDOW)
    assert not (tmp_path / ".nbship/scratch/monitor").exists()


def test_a_notebook_without_a_report_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MonitoringError, match="wrote no report"):
        monitor(_project(tmp_path, PARAMETERS), WINDOW)


def test_a_notebook_without_the_parameters_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="does not set 'window_to'"):
        monitor(_project(tmp_path, "window_from = None\nproduct = None"), WINDOW)


def test_a_notebook_in_another_language_is_an_error(tmp_path: Path) -> None:
    project = _project(tmp_path, PARAMETERS)
    path = project.root / "notebooks/90_monitor.ipynb"
    content = json.loads(path.read_text())
    content["metadata"]["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}
    path.write_text(json.dumps(content))
    with pytest.raises(
        NotebookError, match=r"'notebooks/90_monitor.ipynb' is in R. Write the monitoring notebook in Python"
    ):
        monitor(project, WINDOW)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("models", "no model package at 'models/.*'. Build it with `nbship run`"),
        (".nbship/state/predictions.sqlite", "no prediction log at '.nbship/state/predictions.sqlite'"),
        ("notebooks/90_monitor.ipynb", "monitoring notebook 'notebooks/90_monitor.ipynb' does not exist. Copy"),
    ],
)
def test_missing_files_are_named(tmp_path: Path, gone: str, message: str) -> None:
    project = _project(tmp_path, PARAMETERS, WRITE)
    (tmp_path / gone).rename(tmp_path / "gone")
    from nbship.errors import NbshipError

    with pytest.raises(NbshipError, match=message):
        monitor(project, WINDOW)


def test_without_dates_an_empty_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MonitoringError, match="holds no predictions yet"):
        choose_window(_project(tmp_path, PARAMETERS), None, None)


def test_a_model_without_event_time_has_no_windows(tmp_path: Path) -> None:
    project = _project(tmp_path)  # nor a monitoring notebook, which would not help
    _write_package(project, Signature(inputs=SIGNATURE.inputs))
    for call in (lambda: choose_window(project, None, None), lambda: monitor(project, WINDOW)):
        with pytest.raises(LogError, match="no event time, so its predictions have no windows"):
            call()


def _invoke(root: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    monkeypatch.chdir(root)
    return CliRunner().invoke(command, arguments)


def test_the_command_prints_what_changed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _project(tmp_path, PARAMETERS, WRITE)
    found = _invoke(tmp_path, monkeypatch, "--from", "2024-07-01", "--to", "2024-08-01")
    assert found.exit_code == 0
    lines = found.stdout.splitlines()
    assert lines[0] == "Nothing changed."
    assert "  and 2 more in the report" in lines
    assert lines[-1].startswith("Verdict: warning. Report: ")


def test_the_command_prints_the_report_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _project(tmp_path, PARAMETERS, WRITE)
    found = _invoke(tmp_path, monkeypatch, "--from", "2024-07-01", "--to", "2024-08-01", "--json")
    assert json.loads(found.stdout)["verdict"] == "warning"


def test_one_date_alone_is_wrong_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _project(tmp_path, PARAMETERS, WRITE)
    found = _invoke(tmp_path, monkeypatch, "--from", "2024-07-01")
    assert found.exit_code == 2
    assert "Give both" in found.output
