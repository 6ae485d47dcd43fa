"""Runs at the same time: one executes the stages, the others wait and find them up to date."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from execution.graphs import DIAMOND, WORK, executions, products, write_graph
from runs import StartedRun, find_problems, run_project, try_run
from waiting import wait_until

from nbship.execution import preflight, runner

pytestmark = pytest.mark.timeout(7200)
# A stage that ends when the project contains a file `go`.
HELD = "import time\nwhile not pathlib.Path('../go').exists(): time.sleep(0.05)"


class ReleaseOnWaiting(io.StringIO):
    """An output file that creates the file `go` when the run reports waiting."""

    def __init__(self, go: Path) -> None:
        super().__init__()
        self._go = go

    def write(self, text: str) -> int:
        if "Waiting" in text:
            self._go.touch()
        return super().write(text)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_graph(tmp_path_factory.mktemp("fresh") / "project", DIAMOND)


@pytest.fixture(scope="module")
def expected(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    root = Path(shutil.copytree(fresh, tmp_path_factory.mktemp("done") / "project", symlinks=True))
    run_project(root)
    return products(root)


def run_at_once(fresh: Path, expected: Mapping[str, bytes], *, runs: int) -> str:
    """Start several runs of one project at once; return the problems."""
    root = fresh.with_name("shared")
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(fresh, root, symlinks=True)
    started = [StartedRun(root, {"jobs": 1 + number % 2}) for number in range(runs)]
    without_leftovers = [each.leaves_no_process() for each in started]
    codes = [each.process.exitcode for each in started]
    ran = executions(root)
    if not all(without_leftovers) or any(codes) or sorted(ran) != sorted(DIAMOND):
        return f"exit codes {codes}, ran {ran}, ended {without_leftovers}"
    return find_problems(root, expected)


@pytest.mark.parametrize("runs", [2, pytest.param(4, marks=pytest.mark.long), 8])
def test_runs_at_once_execute_each_stage_once(
    fresh: Path, expected: Mapping[str, bytes], full: bool, runs: int
) -> None:
    for number in range(50 if full else 1):
        assert not (wrong := run_at_once(fresh, expected, runs=runs)), f"round {number}: {wrong}"


def test_a_run_waits_for_dvc(tmp_path: Path) -> None:
    root = write_graph(tmp_path / "project", {"a": [], "b": ["a"]}, work=f"{WORK}\n{HELD}")
    (root / "go").touch()
    run_project(root)
    (root / "go").unlink()
    expected = products(root)
    executions(root)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "--force"],
        cwd=root,
        env={**os.environ, "PATH": path},
        stdout=subprocess.DEVNULL,
    ) as dvc:
        wait_until(lambda: executions(root) or dvc.poll() is not None)
        assert dvc.poll() is None
        output = ReleaseOnWaiting(root / "go")
        run_project(root, output=output)
    assert dvc.returncode == 0
    assert "is running here. Waiting for it to finish." in output.getvalue().splitlines()[0]
    assert executions(root) == ["b"]
    assert products(root) == expected


def test_dvc_does_not_disturb_a_run(tmp_path: Path) -> None:
    root = write_graph(tmp_path / "project", {"a": []}, work=f"{WORK}\n{HELD}")
    started = StartedRun(root)
    wait_until((root / "ran.log").exists)
    done = subprocess.run([sys.executable, "-m", "dvc", "repro"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "is busy, it is being blocked by" in done.stderr
    (root / "go").touch()
    assert started.leaves_no_process()
    assert started.process.exitcode == 0
    assert executions(root) == ["a"]


def test_a_stage_that_starts_a_run_of_its_project_is_an_error(tmp_path: Path) -> None:
    root = write_graph(
        tmp_path / "project", {"a": []}, work="import os\nassert os.system('nbship run') == 0, 'the run failed'"
    )
    assert "the run failed" in try_run(root)


@pytest.mark.long
def test_runs_without_locks_would_be_caught(
    fresh: Path, expected: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "hold_run_lock", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(preflight, "claim_files", lambda *_, **__: contextlib.nullcontext())
    assert any(run_at_once(fresh, expected, runs=4) for _ in range(3))
