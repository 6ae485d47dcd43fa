"""After any process of a run is killed, no other one survives to overwrite products of the next run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from commands import run
from waiting import PATIENCE, is_running, wait_until

from .two_stages import call, write_project


@pytest.fixture
def sleeping(tmp_path: Path) -> Path:
    root = write_project(tmp_path)
    path = root / "notebooks/10_load.ipynb"
    content = json.loads(path.read_text())
    content["cells"][-1]["source"] += (
        "\nimport os, time, pathlib\npathlib.Path('../pid').write_text(str(os.getpid()))\ntime.sleep(1000)"
    )
    path.write_text(json.dumps(content))
    run("dvc", "init", "--no-scm", "-q", cwd=root, check=True)
    assert call(root, "nbship", "sync").returncode == 0
    return root


def started(root: Path, *command: str) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    """Start a program, wait until the notebook runs, and return all processes under it."""
    programs = Path(sys.executable).parent
    process = subprocess.Popen(
        [str(programs / command[0]), *command[1:]],
        cwd=root,
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: (root / "pid").is_file() or process.poll() is not None)
    assert process.poll() is None
    return process, psutil.Process(process.pid).children(recursive=True)


def is_dvc(process: psutil.Process) -> bool:
    """Return whether a process belongs to DVC, such as its usage analytics."""
    try:
        return "dvc" in " ".join(process.cmdline()[:4])
    except psutil.Error:
        return False


@pytest.mark.parametrize("command", [("dvc", "repro"), ("nbship", "run")], ids=["dvc", "nbship"])
def test_stage_and_kernel_end_with_a_killed_run(sleeping: Path, command: tuple[str, ...]):
    process, below = started(sleeping, *command)
    assert len(below) >= 2
    os.kill(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)
    wait_until(lambda: not any(is_running(each.pid) for each in below if not is_dvc(each)))
    assert not (sleeping / "dvc.lock").is_file() or "load:" not in (sleeping / "dvc.lock").read_text()


def test_the_kernel_ends_with_a_killed_stage(sleeping: Path):
    assert call(sleeping, "nbship", "stage", "notebooks").returncode == 0
    process, below = started(sleeping, "nbship", "stage", "load")
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(PATIENCE) == -signal.SIGKILL
    wait_until(lambda: not any(is_running(each.pid) for each in below))
    assert not any(is_running(each.pid) for each in below)
