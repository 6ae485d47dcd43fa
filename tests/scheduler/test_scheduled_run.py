"""A scheduled run of the pipeline: in a worktree, from a commit, as a commit on a branch of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from execution.two_stages import call, git, write_project

SETTINGS = "schedules:\n  nightly: {job: run, cron: 0 3 * * *, arguments: [-j, '2']}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose pipeline ran, and a later commit with another parameter."""
    root = write_project(tmp_path / "project")
    (root / "nbship.yaml").write_text(SETTINGS)
    git(root, "init", "--quiet", "--initial-branch", "main")
    done = call(root, "nbship", "run")
    assert done.returncode == 0, done.stderr
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "run")
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("seed: 3", "seed: 4"))
    notebook = root / "notebooks/20_fit.ipynb"
    notebook.write_text(notebook.read_text().replace("seed = 3", "seed = 4"))
    git(root, "commit", "--quiet", "--all", "--message", "another seed")
    return root


@pytest.mark.long
def test_it_never_touches_the_checkout(root: Path) -> None:
    (root / "src/colours/red.py").write_text("raise ValueError('not committed')\n")
    before = git(root, "status", "--porcelain"), git(root, "rev-parse", "HEAD"), (root / "dvc.lock").read_text()
    metrics = (root / "products/metrics.json").read_text()

    done = call(root, "nbship", "schedule", "run", "nightly", "--time", "2026-01-05T03:00")
    log = root / ".nbship/state/schedules/nightly/2026-01-05T030000Z.log"
    assert done.returncode == 0, log.read_text()
    after = git(root, "status", "--porcelain"), git(root, "rev-parse", "HEAD"), (root / "dvc.lock").read_text()
    assert after == before
    assert (root / "products/metrics.json").read_text() == metrics
    branch = "scheduled/nightly/2026-01-05T030000Z"
    changed = git(root, "diff", "--name-only", f"main...{branch}").split()
    assert changed == ["dvc.lock", "products/metrics.json", "products/values.json"]

    # A person takes it: nothing is left to run.
    git(root, "checkout", "--quiet", "src")
    git(root, "merge", "--quiet", "--ff-only", branch)
    assert call(root, "dvc", "checkout").returncode == 0
    assert json.loads((root / "products/metrics.json").read_text()) != json.loads(metrics)
    assert "up to date" in call(root, "nbship", "run").stdout

    # Nothing changed since: no commit, and no branch.
    again = call(root, "nbship", "schedule", "run", "nightly", "--time", "2026-01-06T03:00")
    assert again.returncode == 0
    assert git(root, "branch", "--list", "scheduled/*").split() == [branch]


@pytest.mark.long
def test_a_failed_run_leaves_no_commit(root: Path) -> None:
    (root / "src/colours/red.py").write_text("raise ValueError('committed')\n")
    git(root, "commit", "--quiet", "--all", "--message", "broken")
    failed = call(root, "nbship", "schedule", "run", "nightly", "--time", "2026-01-05T03:00")
    assert failed.returncode == 1
    assert git(root, "branch", "--list", "scheduled/*") == ""
    assert git(root, "status", "--porcelain") == ""


@pytest.mark.long
def test_an_unknown_branch_is_an_error_of_one_sentence(root: Path) -> None:
    (root / "nbship.yaml").write_text(SETTINGS.replace("'2']", "'2'], branch: trunk"))
    assert call(root, "nbship", "schedule", "run", "nightly", "--time", "2026-01-05T03:00").returncode == 1
    log = root / ".nbship/state/schedules/nightly/2026-01-05T030000Z.log"
    assert "The schedule 'nightly' starts from the branch 'trunk', which does not exist." in log.read_text()
