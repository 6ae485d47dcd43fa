"""Several models in one project and one log: each has reports of its own served predictions only."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from packages import build_small, make_rows

from nbship import monitoring, predictor
from nbship import project as projects
from nbship.inference import Logged, predict_file
from nbship.monitoring import open_model_log
from nbship.monitoring.observed import observe
from nbship.operations import choose_window
from nbship.operations.freshness import report_inputs
from nbship.prediction_log import new_id, open_log

OWN = ["at", "line", "size", "weight"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "pipeline.yaml").write_text("tasks: []\n")
    (folder / "nbship.yaml").write_text(
        "project: {name: pair, timezone: UTC}\nmodels: {small: {}, other: {}}\nmonitoring: {notebooks: [notebooks/monitor.ipynb]}\n"
    )
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "monitor.ipynb").write_text("{}")
    build_small(folder / "models")
    build_small(folder / "models", name="other", seed=7)
    small, other = (projects.load(folder, model=name) for name in ("small", "other"))
    with open_log(small) as log:
        Logged(predictor.load(small.package), log).predict(_records(5))
        (first, *_) = open_model_log(small).requests(datetime(2020, 1, 1, tzinfo=UTC), _tomorrow())
        log.append(first._replace(id=new_id(), role="shadow", event_time=datetime(2025, 1, 1, tzinfo=UTC)))
        Logged(predictor.load(other.package), log).predict(_records(7))
        rows = make_rows(30, seed=5)[OWN].assign(at=pd.Timestamp("2025-03-01", tz="UTC"))
        rows.to_parquet(folder / "rows.parquet")
        predict_file(
            predictor.load(other.package), log, source=folder / "rows.parquet", target=folder / "scored.parquet"
        )
    return folder


def _records(number: int) -> list[dict[str, object]]:
    records = make_rows(number, seed=4)[OWN].astype({"weight": object}).to_dict("records")
    return [{**record, "at": record["at"].isoformat(), "weight": 10.0} for record in records]


def _tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


def test_a_report_holds_only_the_served_predictions_of_its_model(root: Path) -> None:
    for name, rows, requests in (("small", 5, 5), ("other", 37, 7)):
        project = projects.load(root, model=name)
        window = monitoring.parse_window("2024-01-01", _tomorrow().date().isoformat(), zone=project.timezone)
        observed = observe(project, window)
        assert (observed.model, len(observed.frame), observed.service["requests"]) == (name, rows, requests)
        with open_model_log(project) as log:
            records = list(log.requests(window.start, window.end))
        assert {(record.model, record.role) for record in records} == {(name, "served")}


def test_reports_of_two_models_lie_in_two_folders(root: Path) -> None:
    small, other = (projects.load(root, model=name).reports for name in ("small", "other"))
    assert small != other


def test_the_default_window_is_that_of_the_model(root: Path) -> None:
    assert choose_window(projects.load(root, model="other"), None, None).name == "2025-02-01_2025-03-01"
    assert choose_window(projects.load(root, model="small"), None, None).end.year == 2024


def test_a_prediction_of_another_model_does_not_make_a_report_stale(root: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(root, tmp_path / "project"))
    small, other = (projects.load(copied, model=name) for name in ("small", "other"))
    window = monitoring.parse_window("2024-01-01", "2030-01-01", zone=small.timezone)
    before = report_inputs(small, window), report_inputs(other, window)
    with open_log(small) as log:
        Logged(predictor.load(other.package), log).predict(_records(1))
    assert report_inputs(small, window) == before[0]
    assert report_inputs(other, window) != before[1]


def test_a_project_of_two_models_needs_the_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NBSHIP_MODEL", raising=False)
    from click.testing import CliRunner

    from nbship.cli.monitor import command

    monkeypatch.chdir(root)
    assert "NBSHIP_MODEL" not in os.environ
    result = CliRunner().invoke(command, ["--from", "2024-01-01", "--to", "2024-02-01"])
    assert "Choose one: `--model NAME`." in str(result.exception)
