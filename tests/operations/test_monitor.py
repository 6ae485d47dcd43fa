from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from small_notebooks import notebook_of

from nbship import forks, monitoring, predictor
from nbship import project as projects
from nbship.cli.monitor import command
from nbship.errors import CellError, LogError, MonitoringError, NbshipError, NotebookError, ParameterError
from nbship.inference.logged import Logged
from nbship.model import Field, Signature
from nbship.model.package.manifest import json_bytes, make_manifest
from nbship.monitoring import whole_windows
from nbship.monitoring.window import parse_window
from nbship.operations import choose_window, monitor, monitor_windows
from nbship.operations import monitoring as monitoring_module
from nbship.operations.freshness import report_inputs
from nbship.prediction_log import Label, open_log

ZONE = ZoneInfo("America/New_York")
WINDOW = parse_window("2024-03-01", "2024-04-01", zone=ZONE)
PARAMETERS = "window_from = None\nwindow_to = None\nproduct = None"
READ = "from nbship import monitoring\nreport = monitoring.report_window(window_from, window_to, product=product)"
SHOWN = notebook_of(PARAMETERS, READ, "print('in ' + 'words', report['volume']['rows'])")
Watched = Callable[..., projects.Project]


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_report_is_the_same_without_other_processes(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    project = watched(**{"90_data": SHOWN})
    done = monitor(project, WINDOW)
    monkeypatch.chdir(project.root)
    monkeypatch.setattr(forks, "can_fork", lambda: False)
    assert monitoring.report_window("2024-03-01", "2024-04-01") == done.report


def test_every_notebook_becomes_an_executed_notebook_and_a_page(watched: Watched) -> None:
    project = watched(**{"90_data": SHOWN, "own": notebook_of(PARAMETERS, "print(product)")})
    done = monitor(project, WINDOW)
    assert done.folder == project.root / ".nbship/state/monitoring/2024-03-01_2024-04-01"
    assert sorted(_files(done.folder)) == [
        "data.html",
        "data.ipynb",
        "own.html",
        "own.ipynb",
        "report.html",
        "report.json",
    ]
    assert done.report["window"]["from"] == "2024-03-01"
    page = (done.folder / "data.html").read_text()
    assert "in words 248" in page
    assert "&#39;words&#39;" not in page  # no code on the page
    cover = (done.folder / "report.html").read_text()
    assert re.findall(r'href="([^"#]+)"', cover)[-4:] == ["data.html", "own.html", "report.json", "../index.html"]
    assert [path.name for path in done.folder.parent.iterdir()] == [done.folder.name]


def test_the_executed_notebook_reads_the_report_beside_it(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    project = watched(data=SHOWN)
    folder = monitor(project, WINDOW).folder
    cells = json.loads((folder / "data.ipynb").read_text())["cells"]
    values: dict[str, Any] = {}
    exec("".join(cells[0]["source"]), values)
    assert values["product"] == {"report": "report.json"}
    monkeypatch.chdir(folder)
    exec("".join(cells[1]["source"]), values)
    assert values["report"] == json.loads((folder / "report.json").read_text())
    values["window_to"] = "2024-03-08"
    with pytest.raises(
        MonitoringError, match=r"is of the window from '2024-03-01' to '2024-04-01'\. Set `product = None`"
    ):
        exec("".join(cells[1]["source"]), values)


def test_a_report_that_cannot_be_read_is_written_again(watched: Watched) -> None:
    project = watched(data=SHOWN)
    path = monitor(project, WINDOW).folder / "report.json"
    path.write_text("junk")
    assert not monitor(project, WINDOW).current
    assert json.loads(path.read_text())["window"]["from"] == "2024-03-01"


@pytest.mark.parametrize("other", ["junk", "{}", '{"format": 2, "window": 5}'])
def test_a_notebook_cannot_replace_the_report(watched: Watched, other: str) -> None:
    writes = notebook_of(PARAMETERS, f"import pathlib\npathlib.Path(product['report']).write_text({other!r})")
    done = monitor(watched(own=writes), WINDOW)
    assert json.loads((done.folder / "report.json").read_text()) == done.report
    assert done.report["volume"]["rows"] == 248


def test_the_processors_are_counted_without_their_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # as on macOS
    assert monitoring_module._cpus() >= 1


def test_figures_are_files_named_by_their_headings(watched: Watched) -> None:
    draw = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    content = json.loads(notebook_of(PARAMETERS, draw, draw))
    heading = {"cell_type": "markdown", "id": "h", "metadata": {}, "source": "## 2. Rows & more: by day"}
    content["cells"].insert(1, heading)
    folder = monitor(watched(plots=json.dumps(content)), WINDOW).folder
    figures = sorted((folder / "figures").iterdir())
    assert [path.name for path in figures] == ["plots-2-rows-more-by-day.png", "plots-2-rows-more-by-day~2.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures)
    assert f'<img src="figures/{figures[0].name}"' in (folder / "report.html").read_text()


def test_what_a_killed_run_left_is_removed_a_day_later(watched: Watched) -> None:
    project = watched(data=SHOWN)
    for name, age in (("0123456789abcdef", 90_000), ("fedcba9876543210", 60)):
        left = project.reports / f".{WINDOW.name}.{name}.tmp"
        left.mkdir(parents=True)
        (left / "report.json").write_text("{}")
        os.utime(left, (left.stat().st_mtime - age,) * 2)
    monitor(project, WINDOW)
    assert sorted(path.name for path in project.reports.iterdir()) == [
        f".{WINDOW.name}.fedcba9876543210.tmp",
        WINDOW.name,
    ]


def test_a_report_is_reproducible(watched: Watched) -> None:
    project = watched(data=SHOWN, own=SHOWN)
    first = _files(monitor(project, WINDOW).folder)
    assert _files(monitor(project, WINDOW, force=True, jobs=1).folder) == first


def test_a_report_is_written_again_when_something_changed_and_not_before(watched: Watched) -> None:
    project = watched(data=SHOWN)
    assert not monitor(project, WINDOW).current
    assert monitor(project, WINDOW).current
    (project.reports / WINDOW.name / "data.html").unlink()
    assert not monitor(project, WINDOW).current


def test_what_a_report_depends_on(watched: Watched) -> None:
    project = watched(data=SHOWN)
    seen = [report_inputs(project, WINDOW)]

    def changed() -> bool:
        seen.append(report_inputs(project, WINDOW))
        return seen[-1] != seen[-2]

    def write_report(first: str, last: str) -> None:
        (project.reports / f"{first}_{last}").mkdir(parents=True)
        (project.reports / f"{first}_{last}" / "report.json").write_text("{}")

    assert not changed()
    with open_log(project) as log:
        log.append(Label(label="1", at=datetime.now(UTC), prediction_id=None, keys="{}", time=None))
    assert changed()
    (project.root / "notebooks/data.ipynb").write_text(notebook_of(PARAMETERS, READ, "1 + 1"))
    assert changed()
    write_report("2024-02-01", "2024-03-01")
    assert changed()
    write_report("2024-04-01", "2024-05-01")  # a later window is not compared with
    assert not changed()


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.long), 3])
def test_windows_side_by_side_are_those_written_one_after_the_other(watched: Watched, jobs: int) -> None:
    project = watched(data=SHOWN, own=SHOWN)
    windows = whole_windows(parse_window("2024-01-01", "2024-05-01", zone=ZONE), "month")
    done: list[str] = []
    monitor_windows(project, windows, jobs=jobs, on_done=lambda window, _: done.append(window.name))
    together = _files(project.reports)
    assert done == [window.name for window in windows]
    trend = json.loads(together[f"{windows[-1].name}/report.json"])["trend"]
    assert [row["from"] for row in trend] == [window.first for window in windows]
    shutil.rmtree(project.reports)
    for window in windows:
        monitor(project, window)
    assert _files(project.reports) == together


def test_a_window_that_fails_leaves_the_others(watched: Watched) -> None:
    fails = notebook_of(PARAMETERS, READ, "assert window_from != '2024-02-01', 'not this one'")
    project = watched(data=SHOWN, fails=fails)
    windows = whole_windows(parse_window("2024-01-01", "2024-07-01", zone=ZONE), "month")
    done: list[Any] = []
    monitor_windows(project, windows, on_done=lambda _, result: done.append(result))
    assert [type(each).__name__ for each in done] == ["Monitored", "CellError", "Monitored", "Monitored", "Monitored", "MonitoringError"]  # fmt: skip
    assert "fails.ipynb' failed in cell In [3]: AssertionError: not this one" in str(done[1])
    assert "no predictions from '2024-06-01'" in str(done[-1])
    assert sorted(path.name for path in project.reports.iterdir()) == [window.name for window in windows[:5]]
    # What was computed is kept, and the notebook runs again the next time.
    kept = _files(project.reports / windows[1].name)
    assert sorted(kept) == ["data.html", "data.ipynb", "report.html", "report.json"]
    assert b"The notebook 'fails' failed." in kept["report.html"]
    again: list[Any] = []
    monitor_windows(project, windows[1:2], on_done=lambda _, result: again.append(result))
    assert isinstance(again[0], CellError)


def test_the_state_folder_is_configurable(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    project = watched()
    project.state.rename(project.root / "elsewhere")
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("NBSHIP_STATE", "elsewhere")
    check = f"from nbship import project\nassert str(project.load().state) == {str(project.root / 'elsewhere')!r}"
    project = watched(data=notebook_of(PARAMETERS, check, READ))
    assert monitor(project, WINDOW).folder.parent == project.root / "elsewhere" / "monitoring"


def test_a_failing_notebook_leaves_the_last_report_and_its_own_outputs(watched: Watched) -> None:
    project = watched(data=SHOWN)
    folder = monitor(project, WINDOW).folder
    before = _files(folder)
    (project.root / "notebooks/data.ipynb").write_text(notebook_of(PARAMETERS, "print('so far')", "1 / 0"))
    with pytest.raises(CellError, match=r"failed in cell In \[3\]: ZeroDivisionError: division by zero"):
        monitor(project, WINDOW)
    assert _files(folder) == before
    assert "so far" in (project.scratch / "monitor/data.ipynb").read_text()
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("1 / 0", r"^Notebook 'notebooks/own.ipynb' failed in cell In \[2\]: ZeroDivisionError: division by zero\. Its"),
        ("import os; os._exit(7)", r"^Notebook 'notebooks/own.ipynb' failed in cell .*: The kernel ended with exit status 7\. Its"),
    ],
)  # fmt: skip
def test_a_failing_notebook_is_named(watched: Watched, cell: str, message: str) -> None:
    with pytest.raises(NbshipError, match=message):
        monitor(watched(own=notebook_of(PARAMETERS, cell)), WINDOW)


def test_a_day_that_ends_without_predictions_is_a_reason_to_write_the_report_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = watched(data=SHOWN)
    written = []
    for over in (20, 21, 21):
        monkeypatch.setattr("nbship.operations.freshness.days_over", lambda _, over=over: over)
        written.append(not monitor(project, WINDOW).current)
    assert written == [True, True, False]


@pytest.mark.parametrize(("expected", "again"), [(0.5, True), (1.0, False), (None, False)])
def test_labels_that_are_expected_by_now_are_missed_though_nothing_came(
    watched: Watched, expected: float | None, again: bool
) -> None:
    project = watched(data=SHOWN)
    path = monitor(project, WINDOW).folder / "report.json"
    report = json.loads(path.read_text())
    report["labels"] |= {"expected_share": expected, "share": 0.0}
    path.write_text(json.dumps(report))
    assert monitor(project, WINDOW).current
    with open_log(project) as log:
        row = {"at": "2024-07-01T12:00:00Z", "line": "a", "size": 1.0, "weight": 1.0}
        Logged(predictor.load(project.package), log).predict([row])
    assert monitor(project, WINDOW).current is not again


def test_secrets_are_neither_in_the_report_nor_in_what_a_failure_leaves(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "open-sesame")
    say = "import os\nprint(os.environ['TOKEN'])"
    project = watched(data=notebook_of(PARAMETERS, say))
    settings = (project.root / "nbship.yaml").read_text().replace("{name: small,", "{name: small, secrets: [TOKEN],")
    (project.root / "nbship.yaml").write_text(settings)
    folder = monitor(projects.load(project.root), WINDOW).folder
    assert "[TOKEN]" in (folder / "data.html").read_text()
    path = project.root / "notebooks/data.ipynb"
    path.write_text(notebook_of(PARAMETERS, say, "raise ValueError(os.environ['TOKEN'])"))
    with pytest.raises(CellError, match=r"ValueError: \[TOKEN\]"):
        monitor(projects.load(project.root), WINDOW)
    assert not [path for path in project.root.rglob("*") if path.is_file() and b"open-sesame" in path.read_bytes()]


def test_a_monitoring_error_is_one_sentence(watched: Watched) -> None:
    stops = (
        "from nbship.errors import MonitoringError\nraise MonitoringError('No stock in this window. Choose another.')"
    )
    with pytest.raises(MonitoringError, match=r"^No stock in this window\. Choose another\.$"):
        monitor(watched(data=notebook_of(PARAMETERS, stops)), WINDOW)


def test_a_report_that_cannot_be_computed_is_one_sentence(watched: Watched) -> None:
    project = watched(data=SHOWN)
    with pytest.raises(
        MonitoringError, match=r"^The log has no predictions from '2030-01-01' to '2030-02-01'\. Choose"
    ):
        monitor(project, parse_window("2030-01-01", "2030-02-01", zone=ZONE))
    assert not (project.scratch / "monitor").exists()


def test_a_notebook_without_the_parameters_is_an_error(watched: Watched) -> None:
    with pytest.raises(ParameterError, match="does not set 'window_to'"):
        monitor(watched(data=notebook_of("window_from = None\nproduct = None")), WINDOW)


def test_a_notebook_in_another_language_is_an_error(watched: Watched) -> None:
    content = json.loads(SHOWN)
    content["metadata"]["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}
    with pytest.raises(NotebookError, match=r"'notebooks/data.ipynb' is in R. Write monitoring notebooks in Python"):
        monitor(watched(data=json.dumps(content)), WINDOW)


@pytest.mark.parametrize("names", [("90_data", "91_data"), ("90_report",)])
def test_two_notebooks_cannot_write_the_same_files(watched: Watched, names: tuple[str, ...]) -> None:
    with pytest.raises(NotebookError, match=rf"'notebooks/{names[-1]}\.ipynb' would be named '.*', which is taken"):
        monitor(watched(**dict.fromkeys(names, SHOWN)), WINDOW)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("models", "no model package at 'models/.*'. Build it with `nbship run`"),
        (".nbship/state/predictions.sqlite", "no prediction log at '.nbship/state/predictions.sqlite'"),
        ("notebooks/data.ipynb", "monitoring notebook 'notebooks/data.ipynb' does not exist. Copy"),
    ],
)
def test_missing_files_are_named(watched: Watched, tmp_path: Path, gone: str, message: str) -> None:
    project = watched(data=SHOWN)
    (project.root / gone).rename(tmp_path / "gone")
    with pytest.raises(NbshipError, match=message):
        monitor(project, WINDOW)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[projects.Project]:
    """A project with an empty log, and a package of which only the signature exists."""
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    project = projects.load(tmp_path)
    project.package.mkdir(parents=True)
    _write_package(project, Signature(inputs=(Field("at", "datetime"),), event_time="at"))
    open_log(project).close()
    return project


def _write_package(project: projects.Project, signature: Signature) -> None:
    content = json_bytes(signature.to_json())
    (project.package / "signature.json").write_bytes(content)
    (project.package / "MANIFEST.json").write_bytes(make_manifest("shop", {"signature.json": content}))


def test_without_dates_an_empty_log_is_an_error(empty: projects.Project) -> None:
    with pytest.raises(MonitoringError, match="holds no predictions yet"):
        choose_window(empty, None, None)


def test_a_model_without_event_time_has_no_windows(empty: projects.Project) -> None:
    _write_package(empty, Signature(inputs=(Field("at", "datetime"),)))  # nor is there a notebook, which would not help
    for call in (lambda: choose_window(empty, None, None), lambda: monitor(empty, WINDOW)):
        with pytest.raises(LogError, match="no event time, so its predictions have no windows"):
            call()


def _invoke(root: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    monkeypatch.chdir(root)
    return CliRunner().invoke(command, arguments)


def test_the_command_prints_what_changed_first(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    project = watched(data=SHOWN)
    window = ["--from", "2024-03-01", "--to", "2024-04-01"]
    found = _invoke(project.root, monkeypatch, *window)
    assert found.exit_code == 0
    report = json.loads((project.reports / WINDOW.name / "report.json").read_text())
    lines = found.stdout.splitlines()
    assert lines[:2] == [report["headline"], report["advice"]]
    assert lines[-1].startswith(f"Verdict: {report['verdict']}. Report: ")
    assert json.loads(_invoke(project.root, monkeypatch, *window, "--json").stdout) == report


def test_one_date_alone_is_wrong_usage(empty: projects.Project, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _invoke(empty.root, monkeypatch, "--from", "2024-07-01")
    assert found.exit_code == 2
    assert "Give both" in found.output
