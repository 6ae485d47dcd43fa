"""A copy of the project with small parameters, run once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import run

ROOT = Path(__file__).resolve().parents[2]

PARAMS = """\
extract: {history_from: "2013-01-01", history_to: "2013-02-15", weather_from: "2013-01-01", weather_to: "2013-03-01"}
validate: {max_bad_share: 0.001}
explore: {min_rows: 200}
prepare: {holdout_from: "2013-02-01", min_rows: 200}
train:
  seed: 1
  sample: 3000
  folds: 2
  first_fold: 0.5
  logistic_c: [0.1]
  forest_leaf: [50]
  boosting_iterations: [10, 20]
evaluate: {prior: 20.0, threshold: 0.4, importance_rows: 300}
gate:
  min_auc: 0.55
  min_gain: -0.1
  margin: 0.02
  max_calibration_error: 0.2
  max_calibration_intercept: 2.0
  min_calibration_slope: 0.2
  max_calibration_slope: 3.0
  min_slice_rows: 5000
  min_slice_auc: 0.5
  max_slice_bias: 0.3
  reason_of_changes: ""
package: {golden_rows: 500}
"""


def nbship(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run an nbship command in a folder, as a user would."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NBSHIP_")}
    command = [sys.executable, "-m", "nbship", *words]
    return subprocess.run(command, cwd=folder, env=inherited, capture_output=True, text=True, timeout=280, check=False)


def make_project(folder: Path) -> Path:
    """Copy the project's notebooks, modules and settings; the raw tables are linked."""
    for name in ("notebooks", "src/flights"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for name in ("pipeline.yaml", "nbship.yaml", "pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "models").mkdir()
    for name in ("production.dvc", ".gitignore"):
        shutil.copy(ROOT / "models" / name, folder / "models")
    (folder / "data").mkdir()
    for table in (ROOT / "data").glob("*.csv"):
        os.link(table, folder / "data" / table.name)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    run("dvc", "init", "--quiet", cwd=folder, check=True)
    return folder


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project after `nbship run`."""
    folder = make_project(tmp_path_factory.mktemp("flights"))
    done = nbship(folder, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
