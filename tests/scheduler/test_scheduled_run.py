"""A scheduled run of the pipeline: in a worktree, from a commit, as a commit on a branch of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from execution.two_stages import call, git, write_project
from source_kinds import COLUMNS, make_orders, write_csv

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


@pytest.mark.long
def test_new_data_and_what_follows_them_are_commits(root: Path) -> None:
    orders = make_orders(14)
    write_csv(root / "incoming/orders.csv", [order for order in orders if order["id"] != 20 * 7])
    pipeline = (root / "pipeline.yaml").read_text()
    (root / "windows/orders").mkdir(parents=True)
    (root / "windows/orders/.gitignore").write_text("/*.parquet\n")
    folder = "{numbers: data/numbers.json, orders: windows/orders}"
    (root / "pipeline.yaml").write_text(pipeline.replace("{numbers: data/numbers.json}", folder))
    source = {"url": "incoming/orders.csv", "time": "placed", "columns": dict(COLUMNS), "retries": 0}
    schedules = {
        "new-orders": {"job": "data", "cron": "0 5 * * *", "window": "day"},
        "train": {"job": "run", "after": "new-orders"},
    }
    settings = {"data": {"sources": {"orders": source}}, "schedules": schedules}
    (root / "nbship.yaml").write_text(json.dumps(settings))
    assert call(root, "nbship", "run").returncode == 0
    git(root, "add", "--all", ":!incoming")
    git(root, "commit", "--quiet", "--message", "orders")
    before = git(root, "status", "--porcelain"), git(root, "rev-parse", "HEAD"), (root / "dvc.lock").read_text()

    done = call(root, "nbship", "schedule", "run", "new-orders", "--time", "2026-06-03T06:00")
    logs = "\n".join(path.read_text() for path in (root / ".nbship/state/schedules").rglob("*.log"))
    assert done.returncode == 0, done.stderr + logs
    assert (
        git(root, "status", "--porcelain"),
        git(root, "rev-parse", "HEAD"),
        (root / "dvc.lock").read_text(),
    ) == before
    new, train = (f"scheduled/{name}/2026-06-03T050000Z" for name in ("new-orders", "train"))
    assert git(root, "diff", "--name-only", f"main...{new}").split() == [
        "windows/orders/2026-06-02_2026-06-03.parquet.dvc"
    ]
    # The pipeline ran on the commit with the new window.
    assert "dvc.lock" in git(root, "diff", "--name-only", f"{new}...{train}").split()
    assert git(root, "merge-base", new, train) == git(root, "rev-parse", new)

    # A window that is rejected leaves no commit, and nothing follows.
    failed = call(root, "nbship", "schedule", "run", "new-orders", "--time", "2026-07-03T06:00")
    assert failed.returncode == 1
    listed = call(root, "nbship", "schedule", "list", "new-orders").stdout
    assert "failed" in listed
    assert "The source 'orders' is empty: it has no rows from 2026-07-02 to 2026-07-03" in listed
    assert len(git(root, "branch", "--list", "scheduled/*").split()) == 2

    # A person takes both at once: nothing is left to run.
    git(root, "merge", "--quiet", "--ff-only", train)
    assert call(root, "dvc", "checkout").returncode == 0
    assert "up to date" in call(root, "nbship", "run").stdout
