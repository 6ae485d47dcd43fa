"""Exports are what other schedulers read, with the same times."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from click.testing import CliRunner, Result
from debian_cron import CRONS, runs

from nbship.cli import nbship
from nbship.errors import ScheduleError
from nbship.project import load
from nbship.scheduler import Host, export_files, find_job, jobs_of

FORMATS = ("cron", "systemd", "github", "gitlab", "kubernetes", "airflow")
OWN = ("0 6 L * *", "0 6 * * 5L", "0 6 LW * *", "0 6 * * MON#1")


def write_schedules(folder: Path, crons: tuple[str, ...], *, zone: str = "America/New_York") -> None:
    schedules = {
        f"job-{number}": {"job": "labels", "cron": cron, "arguments": ["labels.csv"], "timezone": zone}
        for number, cron in enumerate(crons)
    }
    content = {"project": {"name": "Risk of 50%"}, "schedules": schedules}
    (folder / "nbship.yaml").write_text(json.dumps(content))
    (folder / "pipeline.yaml").write_text("tasks: []\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_schedules(tmp_path, CRONS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export(*arguments: str) -> Result:
    return CliRunner().invoke(nbship, ["schedule", "export", *arguments])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_reads_the_units_and_has_the_same_times(folder: Path) -> None:
    write_schedules(folder, (*CRONS, *OWN[:2]))
    assert export("systemd", "--output", "units", "--root", "/srv/a b%c", "--python", "/usr/bin/env").exit_code == 0
    units = sorted((folder / "units").iterdir())
    assert len(units) == 2 * (len(CRONS) + 2)
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert not [line for line in done.stderr.splitlines() if "nbship" in line], done.stderr
    began = datetime(2026, 5, 1, tzinfo=UTC)
    for number, cron in enumerate(CRONS):
        text = (folder / "units" / f"nbship-risk-of-50-job-{number}.timer").read_text()
        times: set[datetime] = set()
        for calendar in re.findall("OnCalendar=(.*)", text):
            words = [
                "systemd-analyze",
                "calendar",
                "--iterations=5",
                f"--base-time={began:%Y-%m-%d %H:%M:%S UTC}",
                calendar,
            ]
            shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            found = re.findall(r"\(in UTC\): \w+ (\S+ \S+) UTC", shown) or re.findall(r": \w+ (\S+ \S+) UTC", shown)
            times |= {datetime.fromisoformat(f"{each}+00:00") for each in found}
        expected = runs(
            cron, ZoneInfo("America/New_York"), began, max(times) if max(times) < began + timedelta(days=40) else began
        )
        assert not expected or sorted(times)[:5] == expected[:5], cron


@pytest.mark.skipif(not shutil.which("crontab"), reason="cron is not installed")
def test_cron_reads_the_crontab(folder: Path) -> None:
    write_schedules(folder, (*CRONS, *OWN))
    (folder / "crontab").write_text(export("cron", "--root", "/srv/50%", "--host-timezone", "America/New_York").stdout)
    done = subprocess.run(["crontab", "-n", "crontab"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "bad" not in done.stderr + done.stdout


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Europe/London", "Australia/Lord_Howe"])
def test_a_crontab_of_another_zone_looks_at_every_time(zone: str, folder: Path) -> None:
    write_schedules(folder, (*CRONS, *OWN), zone=zone)
    host = Host("/srv", timezone="America/New_York")
    text = export_files("cron", jobs_of(load(folder)), host)["crontab"]
    for number, job in enumerate([find_job(load(folder), f"job-{number}") for number in range(len(CRONS))]):
        [line] = [line for line in text.splitlines() if f" {job.name} --once" in line]
        minutes = {int(each) for each in line.split()[0].split(",")}
        began = datetime(2026, 3, 28, 12, tzinfo=UTC)
        for each in runs(CRONS[number], ZoneInfo(zone), began, began + timedelta(days=1)):
            assert each.astimezone(ZoneInfo("America/New_York")).minute in minutes


@pytest.mark.parametrize("kind", ["github", "gitlab", "kubernetes"])
def test_yaml_files_have_the_times_and_zones(kind: str, folder: Path) -> None:
    assert export(kind, "--output", "out", "--image", "registry.example/risk:1").exit_code == 0
    texts = [path.read_text() for path in sorted((folder / "out").rglob("*.y*ml"))]
    documents = [each for text in texts for each in yaml.safe_load_all(text)]
    if kind == "gitlab":
        assert len(documents[0]) == len(CRONS)
        assert all(cron.upper() in texts[0] for cron in CRONS)
        return
    times = [each["on"]["schedule"][0] if kind == "github" else each["spec"] for each in documents]
    assert sorted(each["cron" if kind == "github" else "schedule"] for each in times) == sorted(map(str.upper, CRONS))
    assert {each["timezone" if kind == "github" else "timeZone"] for each in times} == {"America/New_York"}


def test_a_dag_imports_nothing_of_nbship(folder: Path) -> None:
    assert export("airflow", "--output", "dags").exit_code == 0
    files = sorted((folder / "dags").glob("*.py"))
    assert len(files) == len(CRONS)
    for path in files:
        tree = ast.parse(path.read_text())
        imported = {each.module for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)}
        assert all(str(module).split(".")[0] in ("airflow", "datetime") for module in imported)


@pytest.mark.parametrize("kind", ["github", "gitlab", "kubernetes"])
@pytest.mark.parametrize("cron", OWN)
def test_times_that_others_do_not_know_are_an_error(kind: str, cron: str, folder: Path) -> None:
    write_schedules(folder, (cron,))
    result = export(kind, "--image", "a:1")
    assert isinstance(result.exception, ScheduleError)
    assert f"The times '{cron}' of the schedule 'job-0' cannot be exported for" in str(result.exception)


def test_wrong_uses_are_errors_of_one_sentence(folder: Path) -> None:
    assert "Kubernetes needs the image to run" in str(export("kubernetes").exception)
    several = export("airflow")
    assert (several.exit_code, "Give a folder for them with --output" in several.output) == (2, True)
    assert "'Mars' is not a time zone" in export("cron", "--host-timezone", "Mars").output
