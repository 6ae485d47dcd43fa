"""The commands of the README and of the demonstration work as described."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from checkout import BIN, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def page_of(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.fixture
def copy(reference: Path, tmp_path: Path) -> Path:
    """Return a copy of the checkout after a run, which the commands may edit."""
    left_out = shutil.ignore_patterns(".venv", "state", "scratch", ".*_cache", "__pycache__", "ci-artifacts")
    return Path(shutil.copytree(reference, tmp_path / "project", symlinks=True, ignore=left_out))


def run(lines: str, folder: Path) -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = "set -eu\n" + lines.replace("8123", str(port))
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=env, text=True, capture_output=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def block(page: str, marker: str) -> str:
    found = re.search(rf"<!-- {marker} -->\n```bash\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]


def test_a_notebook_and_a_table_become_a_service_in_an_empty_folder(tmp_path: Path) -> None:
    lines = block(README, "twelve lines")
    printed = run(block(README, "a notebook and a table") + lines, tmp_path)
    assert len(lines.splitlines()) == 12
    assert "442 rows predicted" in printed
    assert '"value"' in printed
    assert "same bytes" in printed


def test_the_demonstration_replays_to_the_same_bytes(copy: Path) -> None:
    printed = run(block(page_of("how-to/demonstration.md"), "demonstration"), copy)
    assert re.search(r"evaluate +would run: notebooks/60_evaluate.ipynb changed", printed)
    assert not re.search(r"train +would run", printed)
    assert '"probability"' in printed
    assert "same bytes" in printed


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= 700  # blocks included


def test_the_picture_of_the_app_is_small() -> None:
    assert (ROOT / "docs/images/app.png").stat().st_size < 150_000


def test_the_table_of_months_is_there() -> None:
    table = page_of("explanation/reference-model.md").split("<!-- backtest -->")[1].split("<!-- /backtest -->")[0]
    assert [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")][1:] == [
        *("July", "August", "September", "October", "November", "December")
    ]


def test_every_path_of_the_layout_exists() -> None:
    rows = page_of("development.md").split("## What is where")[1].split("## Where does")[0]
    named = [
        name
        for row in rows.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]
    missing = [name for name in named if not (ROOT / name).exists()]
    assert named
    assert missing == []
