"""Exports, checked by the tools of the other schedulers, in environments of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from debian_cron import CRONS
from execution.two_stages import call, write_project

from nbship.cli import nbship

pytestmark = pytest.mark.long
CACHE = Path(__file__).parents[2] / ".nbship" / "cache"
NOTEBOOK = {
    "cells": [
        {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [],
         "source": "import os\nprint(os.environ['NBSHIP_SCHEDULED_TIME'])"},
    ],
    "metadata": {}, "nbformat": 4, "nbformat_minor": 5,
}  # fmt: skip


def environment(name: str, *packages: str) -> Path:
    """Return the programs of an environment with packages, which is made once."""
    folder = CACHE / name
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", *packages], check=True)
        (folder / "installed").touch()
    return folder / "bin"


def complaints(*words: str | Path) -> str:
    """Return what a program prints if it fails."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return f"{done.stdout}{done.stderr}, code {done.returncode}" if done.returncode else ""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    schedules = {
        f"job-{number}": {"job": "notebook", "cron": cron, "arguments": ["summary.ipynb"], "timezone": "Europe/Berlin"}
        for number, cron in enumerate(CRONS)
    }
    (tmp_path / "nbship.yaml").write_text(json.dumps({"project": {"name": "risk"}, "schedules": schedules}))
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "summary.ipynb").write_text(json.dumps(NOTEBOOK))
    monkeypatch.chdir(tmp_path)
    for kind in ("github", "gitlab", "kubernetes", "airflow"):
        words = ["schedule", "export", kind, "--output", kind, "--image", "registry.example/risk:1"]
        assert CliRunner().invoke(nbship, words).exit_code == 0
    return tmp_path


def test_github_and_gitlab_read_the_files(folder: Path) -> None:
    programs = environment("check-jsonschema", "check-jsonschema>=0.39")
    workflows = (folder / "github" / ".github" / "workflows").iterdir()
    assert not complaints(programs / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    assert not complaints(
        programs / "check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", *(folder / "gitlab").iterdir()
    )


def test_kubernetes_reads_the_manifest(folder: Path) -> None:
    programs = environment("kubernetes-validate", "kubernetes-validate>=1.37")
    assert not complaints(programs / "kubernetes-validate", "--strict", *(folder / "kubernetes").iterdir())


def run_dag(folder: Path, module: str) -> None:
    programs = environment("airflow", "apache-airflow>=3.3,<3.4")
    environ = {
        **os.environ,
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "DO_NOT_TRACK": "1",
    }
    subprocess.run([programs / "airflow", "db", "migrate"], env=environ, check=True, capture_output=True)
    script = f"import {module} as module; run = module.dag.test(); assert run.state == 'success', run.state"
    done = subprocess.run(
        [programs / "python", "-c", script], cwd=folder / "airflow", env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_airflow_runs_a_dag(folder: Path) -> None:
    run_dag(folder, "nbship_job_0")
    shown = CliRunner().invoke(nbship, ["schedule", "list", "job-0", "--json"])
    [entry] = json.loads(shown.stdout)[0]["history"]
    assert entry["state"] == "succeeded"


def test_airflow_runs_the_pipeline_a_stage_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, other = write_project(tmp_path / "project"), write_project(tmp_path / "other")
    (root / "nbship.yaml").write_text("schedules:\n  nightly: {job: run, cron: 0 3 * * *}\n")
    monkeypatch.chdir(root)
    words = ["schedule", "export", "airflow", "--stages", "--output", str(tmp_path / "airflow")]
    assert CliRunner().invoke(nbship, words).exit_code == 0
    assert "stage_0 >> stage_1" in (tmp_path / "airflow" / "nbship_nightly.py").read_text()
    run_dag(tmp_path, "nbship_nightly")
    assert call(other, "nbship", "run").returncode == 0
    assert (root / "dvc.lock").read_bytes() == (other / "dvc.lock").read_bytes()
