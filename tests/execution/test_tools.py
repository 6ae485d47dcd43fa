"""DVC and Ploomber without nbship run the pipeline with the same numbers and the same lock file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from .two_stages import call, git

ACTIVATED = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def test_dvc_finds_nothing_to_do_and_force_changes_no_byte(project: Path):
    lock = (project / "dvc.lock").read_bytes()
    done = call(project, "dvc", "repro", **ACTIVATED)
    assert "Stage 'fit' didn't change, skipping" in done.stdout
    done = call(project, "dvc", "repro", "--force", **ACTIVATED)
    assert done.returncode == 0, done.stderr
    assert "4 cells in" in done.stdout
    assert (project / "dvc.lock").read_bytes() == lock
    assert git(project, "status", "--short") == ""


def test_a_clone_elsewhere_has_the_same_lock(project: Path, tmp_path: Path):
    clone = tmp_path / "deeper" / "clone"
    clone.parent.mkdir()
    git(tmp_path, "clone", "-q", str(project), str(clone))
    done = call(clone, "nbship", "run", "--force")
    assert done.returncode == 0, done.stderr
    assert git(clone, "status", "--short") == ""


def test_ploomber_build_gives_the_same_numbers(project: Path, tmp_path: Path):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(project), str(clone))
    (clone / "products/data.json").unlink(missing_ok=True)
    assert call(clone, "nbship", "sync").returncode == 0
    metrics = clone / "products/metrics.json"
    wanted = metrics.read_text()
    metrics.unlink()
    done = call(clone, "ploomber", "build", **ACTIVATED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert metrics.read_text() == wanted
    printed = json.loads((clone / "products/20_fit.ipynb").read_text())["cells"][3]["outputs"][0]["text"]
    assert "".join(printed).startswith("ploomber ")
    assert not (clone / ".nbship/scratch/fit").exists()


def test_an_experiment_in_another_folder_runs_the_code_that_it_holds(project: Path):
    (project / "src/colours/red.py").write_text("def shade(number):\n    return number / 14\n")
    before = (project / "products/metrics.json").read_text()
    done = call(project, "dvc", "exp", "run", "--temp", "-S", "fit.seed=4", "--name", "halved", **ACTIVATED)
    git(project, "checkout", "-q", "src")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = call(project, "dvc", "exp", "show", "--json", **ACTIVATED)
    assert shown.returncode == 0, shown.stderr
    metrics_of_experiment = git(
        project, "show", "refs/exps/" + experiment(project, "halved") + ":products/metrics.json"
    )
    assert json.loads(metrics_of_experiment) != json.loads(before)
    data = git(project, "show", "refs/exps/" + experiment(project, "halved") + ":dvc.lock")
    assert "fit.seed: 4" in data
    assert (project / "products/metrics.json").read_text() == before


def experiment(project: Path, name: str) -> str:
    refs = git(project, "for-each-ref", "--format=%(refname)", "refs/exps").split()
    return next(ref for ref in refs if ref.endswith(f"/{name}")).removeprefix("refs/exps/")
