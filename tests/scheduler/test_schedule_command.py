"""`nbship schedule` as its user calls it, with notebooks as jobs."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner, Result
from commands import BIN, activated
from waiting import PATIENCE, is_running, wait_until

from nbship import scheduler
from nbship.cli import nbship
from nbship.errors import ScheduleError
from nbship.project import load

TIMES = ["NBSHIP_SCHEDULE", "NBSHIP_SCHEDULED_TIME", "NBSHIP_WINDOW_FROM", "NBSHIP_WINDOW_TO", "NBSHIP_ATTEMPT"]
SETTINGS = """\
project: {timezone: America/New_York}
schedules:
  weekly:
    job: notebook
    cron: 0 6 * * MON
    window: week
    arguments: [notebooks/summary.ipynb]
  daily:
    job: labels
    cron: 0 5 * * *
    window: day
    arguments: ["labels/{from}.csv"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "nbship.yaml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NBSHIP_STATE", raising=False)
    return tmp_path


def write_notebook(folder: Path, source: str) -> None:
    cells = ["window_from = None\nwindow_to = None", source]
    content = [
        {"cell_type": "code", "execution_count": None, "id": f"c{k}", "metadata": {}, "outputs": [], "source": each}
        for k, each in enumerate(cells)
    ]
    content[0]["metadata"] = {"tags": ["parameters"]}
    notebook = {"cells": content, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "notebooks" / "summary.ipynb").write_text(json.dumps(notebook))


def call(*arguments: str) -> Result:
    return CliRunner().invoke(nbship, ["schedule", *arguments], catch_exceptions=True)


def listed(name: str) -> Any:
    return json.loads(call("list", name, "--json").stdout)[0]


def test_a_notebook_runs_once_for_its_time_and_knows_its_window(folder: Path) -> None:
    write_notebook(folder, f"import os\nprint(window_from, window_to, *(os.environ[name] for name in {TIMES}))")
    done = call("run", "weekly", "--time", "2026-01-05T06:00")
    assert done.exit_code == 0, done.output
    [path] = (folder / ".nbship/state/schedules/weekly").glob("*.ipynb")
    assert path.name == "2026-01-05T110000Z.ipynb"
    printed = json.loads(path.read_text())["cells"][-1]["outputs"][0]["text"]
    assert "".join(printed).split() == [
        "2025-12-29", "2026-01-05", "weekly", "2026-01-05T11:00:00Z", "2025-12-29", "2026-01-05", "1",
    ]  # fmt: skip
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    [entry] = listed("weekly")["history"]
    assert (entry["state"], entry["scheduled"]) == ("succeeded", "2026-01-05T06:00:00-05:00")
    assert entry["window"] == ["2025-12-29", "2026-01-05"]
    assert stat.S_IMODE(Path(entry["log"]).stat().st_mode) == 0o600

    again = call("run", "weekly", "--time", "2026-01-06T00:00Z")
    assert again.exit_code == 0
    assert "weekly of 2026-01-05 06:00: has already succeeded. It is not run again." in again.stderr
    assert len(listed("weekly")["history"]) == 1


def test_a_failed_run_exits_with_1_and_says_where_its_output_is(folder: Path) -> None:
    failed = call("run", "daily", "--time", "last")
    assert failed.exit_code == 1
    [entry] = listed("daily")["history"]
    assert (entry["state"], entry["attempts"]) == ("failed", 1)
    assert entry["reason"].startswith("It exited with code 1. There is no model package at")
    assert entry["reason"].partition(" 1. ")[2] in Path(entry["log"]).read_text(encoding="utf-8")
    assert "failed" in call("list").stdout


def test_missed_runs_are_listed_with_the_reason(folder: Path) -> None:
    project = load(folder)
    store = scheduler.Store(scheduler.open_database(project))
    job = scheduler.find_job(project, "daily")
    began = datetime(2026, 1, 5, 15, tzinfo=UTC)
    assert store.claim(job, began, holder="here") is None
    claim = store.claim(job, began + timedelta(days=4), holder="here")
    assert claim is not None
    assert job.command(claim.scheduled)[-1] == "labels/2026-01-08.csv"
    store.finish(claim, "succeeded", "", began + timedelta(days=4))
    latest, missed = listed("daily")["history"]
    assert (latest["scheduled"], latest["state"]) == ("2026-01-09T05:00:00-05:00", "succeeded")
    assert (missed["first"], missed["scheduled"], missed["count"]) == (
        "2026-01-06T05:00:00-05:00", "2026-01-08T05:00:00-05:00", 3,
    )  # fmt: skip
    assert missed["reason"] == "The scheduler was not running from 2026-01-05 10:00 to 2026-01-09 10:00."
    shown = call("list", "daily").stdout
    assert "missed 3 from Tue 2026-01-06 05:00 to Thu 2026-01-08 05:00 · The scheduler was not running" in shown


def test_wrong_uses_are_errors_of_one_sentence(folder: Path) -> None:
    unknown = call("run", "weakly")
    assert isinstance(unknown.exception, ScheduleError)
    assert str(unknown.exception) == "The project has no schedule 'weakly'. Did you mean 'weekly'?"
    assert call("run", "weekly", "--time", "soon").exit_code == 2
    assert call("run", "--time", "last").exit_code == 2
    (folder / "nbship.yaml").unlink()
    assert "The project has no schedules. Add some below 'schedules' in nbship.yaml" in str(call("list").exception)


def test_a_stopped_scheduler_stops_its_run_which_is_repeated(folder: Path) -> None:
    (folder / "nbship.yaml").write_text(SETTINGS.replace("0 6 * * MON", "'* * * * *'\n    catch_up: all"))
    write_notebook(
        folder,
        "import os, time\nprint(os.getpid(), file=open('../pid', 'a'), flush=True)\ntime.sleep(600)",
    )
    command = [str(BIN / "nbship"), "schedule", "run", "weekly", "--once", "--lease", "30"]
    service = subprocess.Popen(command, env=activated(), stderr=subprocess.DEVNULL)
    wait_until((folder / "pid").exists)
    wait_until(lambda: (folder / "pid").read_text().endswith("\n"))
    kernel = int((folder / "pid").read_text())
    [guard] = psutil.Process(service.pid).children()
    assert listed("weekly")["running_on"].endswith(f":{service.pid}")
    service.send_signal(signal.SIGTERM)
    assert service.wait(PATIENCE) == 0
    assert not guard.is_running()
    wait_until(lambda: not is_running(kernel))
    entry = listed("weekly")["history"][-1]
    assert (entry["state"], entry["attempts"]) == ("interrupted", 1)
    project = load(folder)
    job, store = scheduler.find_job(project, "weekly"), scheduler.Store(scheduler.open_database(project))
    again = store.claim(job, datetime.fromisoformat(entry["ended"]), holder="here")
    assert again is not None
    assert (again.scheduled, again.attempts) == (datetime.fromisoformat(entry["scheduled"]), 1)
