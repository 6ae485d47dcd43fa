"""The README's lines do what it says."""

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


@pytest.fixture
def copy(reference: Path, tmp_path: Path) -> Path:
    """Return a copy of the checkout as it stands after a run, so that the lines may edit it."""
    left_out = shutil.ignore_patterns(".venv", "state", "scratch", ".*_cache", "__pycache__", "ci-artifacts")
    return Path(shutil.copytree(reference, tmp_path / "project", symlinks=True, ignore=left_out))


def test_the_ten_lines_run_and_replay_to_the_same_bytes(copy: Path) -> None:
    lines = re.search(r"<!-- ten lines -->\n```bash\n(.*?)```", README, re.DOTALL)
    assert lines is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = "set -eu\n" + lines[1].replace("8123", str(port))
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=copy, env=env, text=True, capture_output=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"evaluate +would run: notebooks/60_evaluate.ipynb changed", done.stdout)
    assert not re.search(r"train +would run", done.stdout)
    assert '"probability"' in done.stdout
    assert "same bytes" in done.stdout


def test_the_table_of_months_is_there() -> None:
    table = README.split("<!-- backtest -->")[1].split("<!-- /backtest -->")[0]
    assert [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")][1:] == [
        *("July", "August", "September", "October", "November", "December")
    ]


def test_every_path_of_the_layout_exists() -> None:
    rows = README.split("## What is where")[1].split("**Where does")[0]
    named = [
        name
        for row in rows.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]
    missing = [name for name in named if not (ROOT / name).exists()]
    assert missing == []
