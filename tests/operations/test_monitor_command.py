"""`nbship monitor` on logged predictions: the window that it chooses, and what raises an alert."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from alert_sinks import webhook
from click.testing import CliRunner, Result
from packages import ZONE, build_small, make_rows

from nbship import predictor
from nbship import project as projects
from nbship.cli import nbship
from nbship.errors import MonitoringError
from nbship.inference.batch.run import predict_file
from nbship.inference.logged import Logged
from nbship.model import Field
from nbship.operations import write_index
from nbship.prediction_log import open_log

OWN = ["at", "line", "size", "weight"]
CELLS = [
    "window_from = None\nwindow_to = None\nproduct = None",
    "from nbship import monitoring\nmonitoring.report_window(window_from, window_to, product=product)['verdict']",
]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package whose model drops the key 'order', and the field 'shop'."""
    fields = [
        Field("order", "int", key=True, example=7),
        Field("shop", "category", categories=("a",), open=True, nullable=True, example="a"),
    ]
    return build_small(tmp_path_factory.mktemp("monitored"), fields=fields)


@pytest.fixture
def project(tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> projects.Project:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "nbship.yaml").write_text(
        f"project: {{name: small, timezone: {ZONE}}}\nmonitoring: {{notebooks: [notebooks/monitor.ipynb]}}\n"
    )
    (tmp_path / "notebooks").mkdir()
    cells = [
        {"cell_type": "code", "execution_count": None, "id": f"c{k}", "metadata": {}, "outputs": [], "source": source}
        for k, source in enumerate(CELLS)
    ]
    cells[0]["metadata"] = {"tags": ["parameters"]}
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "notebooks/monitor.ipynb").write_text(json.dumps(notebook))
    found = projects.load(tmp_path)
    shutil.copytree(package, found.package)
    monkeypatch.chdir(tmp_path)
    return found


def _rows(count: int = 248) -> pd.DataFrame:
    """Return rows of January 2024, one every three hours."""
    rows = make_rows(count, seed=3)
    return rows[OWN].assign(order=7, shop="a")


def _score_file(project: projects.Project, rows: pd.DataFrame) -> None:
    rows.to_parquet(project.root / "rows.parquet")
    with open_log(project) as log:
        model = predictor.load(project.package)
        predict_file(model, log, source=project.root / "rows.parquet", target=project.root / "scored.parquet")


def _score_records(project: projects.Project, rows: pd.DataFrame) -> None:
    records: list[dict[str, Any]] = rows.astype(object).where(rows.notna(), None).to_dict("records")
    for record in records:
        record["at"] = record["at"].isoformat()
    with open_log(project) as log:
        Logged(predictor.load(project.package), log).predict(records)


WAYS = pytest.mark.parametrize("score", [_score_file, _score_records], ids=["file", "records"])
Score = Callable[[projects.Project, pd.DataFrame], None]


def _monitor(*arguments: str) -> Result:
    return CliRunner().invoke(nbship, ["monitor", *arguments])


def _verdicts(found: Result) -> dict[str, str]:
    assert found.exit_code == 0, found.output
    return {record["field"]: record["verdict"] for record in json.loads(found.stdout)["drift"]}


@WAYS
@pytest.mark.parametrize("later", ["2099-05-31T12:00", "9999-12-31T23:30"])
def test_a_date_in_the_future_does_not_choose_the_window(project: projects.Project, score: Score, later: str) -> None:
    rows = _rows()
    rows.loc[len(rows)] = rows.iloc[0]
    rows.loc[len(rows) - 1, "at"] = pd.Timestamp(datetime.fromisoformat(later)).as_unit("us").tz_localize("UTC")
    score(project, rows)
    found = _monitor("--json")
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert report["window"]["from"] == "2024-01-01"
    assert report["volume"]["rows"] == 248
    assert f"has predictions for events after today, up to {later[:10]}" in found.stderr


@WAYS
def test_events_in_the_future_alone_are_an_error_of_one_sentence(project: projects.Project, score: Score) -> None:
    rows = _rows(30)
    score(project, rows.assign(at=rows["at"] + pd.Timedelta(days=365 * 75)))
    found = _monitor().exception
    assert isinstance(found, MonitoringError)
    assert "for events after today, up to 2098-12-16, and none before. Choose a window with --from and --to." in str(
        found
    )
    elsewhere = _monitor("--from", "2024-01-01", "--to", "2024-02-01").exception
    assert isinstance(elsewhere, MonitoringError)
    assert "no predictions from '2024-01-01' to '2024-02-01'" in str(elsewhere)


@WAYS
def test_an_input_that_was_null_is_not_looked_up_again(project: projects.Project, score: Score) -> None:
    rows = _rows()
    score(project, rows)
    window = ("--from", "2024-01-01", "--to", "2024-02-01", "--json")
    assert set(_verdicts(_monitor(*window)).values()) == {"ok"}  # left out, so looked up


@WAYS
def test_a_dead_column_is_an_alert(project: projects.Project, score: Score) -> None:
    rows = _rows()
    score(project, rows.assign(limit=np.nan))
    found = _verdicts(_monitor("--from", "2024-01-01", "--to", "2024-02-01", "--json"))
    assert found.pop("limit") == "alert"
    assert set(found.values()) == {"ok"}  # 'grade' was left out and looked up


@WAYS
def test_an_input_that_the_model_drops_raises_no_alert(project: projects.Project, score: Score) -> None:
    rows = _rows()
    score(
        project,
        rows.assign(order=np.arange(len(rows)) + 1000, shop=["a", "b", None, "c"] * 62, weight=rows["weight"] + 5),
    )
    found = _monitor("--from", "2024-01-01", "--to", "2024-02-01", "--json")
    assert {name for name, verdict in _verdicts(found).items() if verdict != "ok"} == {"weight"}
    reasons = {record["field"]: record["reason"] for record in json.loads(found.stdout)["drift"]}
    assert reasons["order"].startswith("No prediction depends on this input. The distribution")
    assert reasons["shop"].startswith("No prediction depends on this input.")


@WAYS
def test_a_value_that_training_never_had_is_a_new_segment(project: projects.Project, score: Score) -> None:
    rows = _rows()
    score(project, rows.assign(shop=np.where(rows.index < 100, "a", "Zürich")))
    found = _monitor("--from", "2024-01-01", "--to", "2024-02-01", "--json")
    (segment,) = json.loads(found.stdout)["segments"]
    assert (segment["where"], segment["rows"], segment["first_seen"]) == ([{"field": "shop", "value": "Zürich"}], 148, "2024-01-13")  # fmt: skip
    assert segment["reason"].endswith("first seen on 2024-01-13. None of them has a label yet.")


@WAYS
def test_a_key_that_the_model_uses_is_a_finding(project: projects.Project, score: Score) -> None:
    rows = _rows()
    score(project, rows.assign(line="a"))
    found = _verdicts(_monitor("--from", "2024-01-01", "--to", "2024-02-01", "--json"))
    assert found["line"] == "warning"
    assert found["limit"] == "warning"  # looked up by 'line'


def test_a_finding_is_sent_as_an_alert_and_shown_to_prometheus(
    project: projects.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (project.root / "nbship.yaml").read_text()
    (project.root / "nbship.yaml").write_text(
        f"{settings}alerts: {{sinks: {{team: TEAM_URL, gone: UNSET}}, allow_private: [127.0.0.1]}}\n"
    )
    _score_file(project, _rows().assign(limit=np.nan))
    with webhook() as hook:
        monkeypatch.setenv("TEAM_URL", hook.url)
        found = _monitor("--from", "2024-01-01", "--to", "2024-02-01")
        again = _monitor("--from", "2024-01-01", "--to", "2024-02-01")
    assert (found.exit_code, again.exit_code) == (0, 0), found.output + again.output
    assert "Not sent. Sink 'gone' has no URL: the environment variable 'UNSET' is not set." in found.stderr
    assert len(hook.messages) == 1
    assert re.search(r"^ALERT #\d+ Input 'limit': .*missing", hook.bodies, re.MULTILINE)
    gauges = (project.state / "monitoring/gauges.prom").read_text()
    assert 'nbship_monitoring_missing_ratio{field="limit",model="small"} 1.0' in gauges


def test_past_windows_are_written_and_listed_on_a_page(project: projects.Project) -> None:
    _score_file(project, _rows())
    found = _monitor("--backfill", "week", "--from", "2024-01-01", "--to", "2024-02-15")
    # The rows end in January.
    assert found.exit_code == 1
    assert [line[8:32] for line in found.output.splitlines() if line.startswith("  ")] == [
        f"2024-{first} to 2024-{last}"
        for first, last in (("01-01", "01-08"), ("01-08", "01-15"), ("01-15", "01-22"), ("01-22", "01-29"), ("01-29", "02-05"), ("02-05", "02-12"))
    ]  # fmt: skip
    assert "  fail  2024-02-05 to 2024-02-12: The log has no predictions" in found.output
    assert "5 of 6 reports. Index: " in found.output
    page = (project.reports / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'<a href="([^"]*)">', page)
    assert links[0] == "2024-01-29_2024-02-05/report.html"
    assert links == sorted(links, reverse=True)
    assert all((project.reports / link).is_file() for link in links)
    trend = json.loads((project.reports / "2024-01-22_2024-01-29/report.json").read_text(encoding="utf-8"))["trend"]
    assert [row["from"] for row in trend] == ["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-22"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backfill", "week"], "--backfill needs --from and --to"),
        (
            ["--backfill", "month", "--from", "2024-01-02", "--to", "2024-02-01"],
            "There is no whole month from 2024-01-02",
        ),
        (["--backfill", "year", "--from", "2024-01-02", "--to", "2024-02-01"], "'year' is not one of"),
    ],
)
def test_past_windows_that_cannot_be_written(project: projects.Project, arguments: list[str], message: str) -> None:
    found = _monitor(*arguments)
    assert found.exit_code == 2
    assert message in found.output


def test_words_of_a_report_cannot_run_on_the_page(project: projects.Project) -> None:
    report = {
        "format": 2, "model": "<script>", "version": "1", "window": {"from": "2024-01-01", "to": "2024-02-01", "timezone": "UTC"},
        "verdict": "ok", "headline": "<img src=x onerror=alert(1)>", "volume": {"rows": 5}, "performance": {}, "drift": [],
    }  # fmt: skip
    folder = project.reports / "2024-01-01_2024-02-01"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    page = write_index(project).read_text(encoding="utf-8")
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "<script" not in page
    assert "<img" not in page
