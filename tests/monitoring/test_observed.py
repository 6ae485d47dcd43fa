from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from packages import make_labels, make_rows

from nbship import monitoring, predictor
from nbship import project as projects
from nbship.errors import MonitoringError
from nbship.inference.batch.run import predict_file
from nbship.inference.feedback import import_labels
from nbship.inference.logged import Logged
from nbship.monitoring.calendar import with_slices
from nbship.monitoring.observed import observe
from nbship.monitoring.outcomes import with_outcomes
from nbship.prediction_log import SqlLog, Usage, open_log

OWN = ["at", "line", "size", "weight"]


@pytest.fixture
def project(tmp_path: Path, small_package: Path) -> projects.Project:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "nbship.yaml").write_text(
        "project: {name: small, timezone: America/New_York}\nslices: [line, weekday, grade]\n"
    )
    found = projects.load(tmp_path)
    shutil.copytree(small_package, found.package)
    return found


@pytest.fixture
def log(project: projects.Project) -> Iterator[SqlLog]:
    with open_log(project) as opened:
        yield opened


def _score(project: projects.Project, log: SqlLog, rows: pd.DataFrame, *, name: str = "rows") -> None:
    source = project.root / f"{name}.parquet"
    rows.to_parquet(source)
    predict_file(predictor.load(project.package), log, source=source, target=project.root / f"{name}_scored.parquet")


def _tell(project: projects.Project, log: SqlLog, rows: pd.DataFrame) -> None:
    path = project.root / "labels.parquet"
    rows[["at", "line"]].assign(label=make_labels(rows)).to_parquet(path)
    import_labels(log, path, signature=predictor.load(project.package).signature)


def _report(project: projects.Project, monkeypatch: pytest.MonkeyPatch, first: str, last: str, **more: Any) -> Any:
    monkeypatch.chdir(project.root)
    return monitoring.report_window(first, last, **more)


def test_a_window_like_the_training_data(
    project: projects.Project, log: SqlLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = make_rows(1000, seed=3)
    _score(project, log, rows[OWN])
    _tell(project, log, rows)
    report = _report(project, monkeypatch, "2024-01-01", "2024-05-05")
    assert report["volume"]["rows"] == report["performance"]["labelled"] == 1000
    assert report["volume"]["by_mode"] == {"batch": 1000}
    assert [record["field"] for record in report["drift"]] == ["at", "line", "size", "weight", "limit", "grade"]
    assert {record["verdict"] for record in report["drift"]} == {"ok"}
    assert {row["slice"] for row in report["slices"]} == {"line", "weekday", "grade"}
    assert json.loads((project.scratch / "monitor" / "report.json").read_text()) == json.loads(json.dumps(report))


def test_absent_inputs_are_looked_up_for_drift_and_slices(project: projects.Project, log: SqlLog) -> None:
    _score(project, log, make_rows(400, seed=3)[OWN])
    observed = observe(project, monitoring.parse_window("2024-01-01", "2024-06-01", zone=project.timezone))
    limit = next(field for field in observed.fields if field.name == "limit")
    assert limit.current is not None
    assert limit.current.missing == 0
    assert observed.frame["grade"].tolist() == observed.frame["line"].map({"a": 1.0, "b": 2.0, "c": 3.0}).tolist()


def test_a_window_holds_rest_predictions_and_batch_runs(
    project: projects.Project, log: SqlLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    _score(project, log, make_rows(300, seed=3)[OWN])
    records = make_rows(5, seed=4)[OWN].astype({"weight": object}).to_dict("records")
    for record in records:
        record["at"] = record["at"].isoformat()
        record["weight"] = 10.0
    Logged(predictor.load(project.package), log).predict(records)
    report = _report(project, monkeypatch, "2024-01-01", "2024-06-01")
    assert report["volume"]["by_mode"] == {"batch": 300, "python": 5}
    assert report["service"]["requests"] == 0  # the requests are of today, and the window is in 2024


def test_inputs_that_drifted_are_named(project: projects.Project, log: SqlLog, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_rows(1000, seed=3)
    _score(project, log, rows.assign(weight=rows["weight"] + 1.5)[OWN])
    report = _report(project, monkeypatch, "2024-01-01", "2024-06-01")
    assert {record["field"] for record in report["drift"] if record["verdict"] != "ok"} == {"weight"}


def test_the_window_is_exact(project: projects.Project, log: SqlLog, monkeypatch: pytest.MonkeyPatch) -> None:
    _score(project, log, make_rows(400, seed=3)[OWN])  # one row every three hours, New York time
    report = _report(project, monkeypatch, "2024-01-10", "2024-01-20")
    assert [day["rows"] for day in report["volume"]["days"]] == [8] * 10


def test_an_empty_window_and_an_empty_log_are_errors_of_one_sentence(
    project: projects.Project, log: SqlLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MonitoringError, match=r"no predictions from .* Predict with `nbship predict`"):
        _report(project, monkeypatch, "2024-01-01", "2024-02-01")
    _score(project, log, make_rows(400, seed=3)[OWN])
    with pytest.raises(MonitoringError, match=r"no predictions from '2025-01-01' .* the latest event is of 2024-02-19"):
        _report(project, monkeypatch, "2025-01-01", "2025-02-01")


def test_a_missing_log_is_an_error(project: projects.Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MonitoringError, match="There is no prediction log"):
        _report(project, monkeypatch, "2024-01-01", "2024-02-01")


def test_a_batch_run_whose_files_are_gone_is_a_warning(
    project: projects.Project, log: SqlLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    _score(project, log, make_rows(400, seed=3)[OWN])
    _score(project, log, make_rows(400, seed=4)[OWN], name="more")
    (project.root / "more.parquet").unlink()
    report = _report(project, monkeypatch, "2024-01-01", "2024-06-01")
    assert report["volume"]["rows"] == 400
    assert report["volume"]["verdict"] == "warning"
    assert "more.parquet' is missing" in report["volume"]["reason"]
    assert "Predict those files again" in report["advice"]


def test_an_unknown_slice_is_an_error(project: projects.Project, log: SqlLog, monkeypatch: pytest.MonkeyPatch) -> None:
    _score(project, log, make_rows(300, seed=3)[OWN])
    (project.root / "nbship.yaml").write_text("project: {name: small}\nslices: [colour]\n")
    with pytest.raises(MonitoringError, match="'slices' names 'colour', which is not an input"):
        _report(project, monkeypatch, "2024-01-01", "2024-06-01")


def test_parts_of_the_event_time_are_those_of_the_local_clock() -> None:
    frame = pd.DataFrame({"event_time": pd.to_datetime(["2024-01-01T03:30Z", "2024-07-01T12:00Z"])})
    from zoneinfo import ZoneInfo

    found = with_slices(frame, ["year", "month", "week", "weekday", "day", "hour"], zone=ZoneInfo("America/New_York"))
    assert found.drop(columns="event_time").to_numpy().tolist() == [[2023, 12, 52, 7, 31, 22], [2024, 7, 27, 1, 1, 8]]


def test_a_probability_of_the_label_is_compared_with_whether_it_was_right(small_package: Path) -> None:
    signature = predictor.load(small_package).signature
    frame = pd.DataFrame({"label": [1, 0, 1], "probability": [0.9, 0.8, 0.7], "actual": [1.0, 1.0, None]})
    assert with_outcomes(frame, signature)["actual"].tolist()[:2] == [1.0, 1.0]
    outputs = tuple(replace(output, positive=None) for output in signature.outputs)
    found = with_outcomes(frame, replace(signature, outputs=outputs))["actual"]
    assert found.tolist()[:2] == [1.0, 0.0]
    assert pd.isna(found[2])


def test_requests_of_a_window_without_events_are_a_report_of_the_service(
    project: projects.Project, log: SqlLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = make_rows(5, seed=4)[OWN].astype({"weight": object}).to_dict("records")
    Logged(predictor.load(project.package), log).predict(
        [{**record, "at": record["at"].isoformat(), "weight": 10.0} for record in records]
    )
    now = datetime.now(UTC)
    log.append(Usage(now, 60.0, "small", "host:7", 6.0, 10**8))
    today, tomorrow = (str(now.date() + timedelta(days=days)) for days in (-1, 2))
    report = _report(project, monkeypatch, today, tomorrow)
    assert (report["volume"]["rows"], report["service"]["requests"]) == (0, 5)
    assert report["service"]["resources"]["cores"] == 0.1
    assert report["verdict"] == "insufficient", report["reasons"]
    json.dumps(report, allow_nan=False)
