from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from nbship.errors import GateError, PipelineError, StageError
from nbship.execution.progress import PlainProgress
from nbship.execution.runner import RunSummary, raise_for, reproduce
from nbship.project import Project, Settings

# Stands for a stage: writes its output, and the report that a stage leaves.
MAKE = """\
import os, pathlib, sys, time
from nbship.execution.report import StageReport, write_report
name, how = sys.argv[1:3]
if how == "sleep":
    pathlib.Path("pid").write_text(str(os.getpid()))
    time.sleep(60)
if how == "silent":
    sys.exit(5)
error = "" if how == "well" else how
if not error:
    pathlib.Path(f"{name}.out").write_text(pathlib.Path("input").read_text())
if folder := os.environ.get("NBSHIP_REPORT"):
    write_report(pathlib.Path(folder), StageReport(stage=name, seconds=1.5, cells=3, error=error, message=f"{name}: no"))
sys.exit(bool(error))
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "make.py").write_text(MAKE)
    (tmp_path / "input").write_text("1")
    return tmp_path


def declare(root: Path, **stages: str) -> None:
    lines = ["stages:"]
    for name, how in stages.items():
        lines += [f"  {name}:", f"    cmd: python make.py {name} {how}", "    deps: [input]", f"    outs: [{name}.out]"]
    (root / "dvc.yaml").write_text("\n".join(lines) + "\n")


def run(root: Path, *targets: str, **options) -> tuple[RunSummary, str]:
    told = io.StringIO()
    progress = PlainProgress(["one", "two"], file=told)
    return reproduce(Project(root, Settings()), targets, progress=progress, **options), told.getvalue()


def test_what_changed_runs_and_is_told(repository: Path):
    declare(repository, one="well", two="well")
    summary, told = run(repository)
    assert [report.stage for report in summary.ran] == ["one", "two"]
    assert told.splitlines() == ["one  started", "one      1.5 s  3 cells", "two  started", "two      1.5 s  3 cells"]
    summary, told = run(repository)
    assert (summary.ran, summary.up_to_date) == ([], ["one", "two"])
    assert told.splitlines() == ["one  up to date", "two  up to date"]


def test_what_ran_before_is_restored(repository: Path):
    declare(repository, one="well")
    for content in "121":
        (repository / "input").write_text(content)
        summary, told = run(repository)
    assert (summary.ran, summary.restored) == ([], ["one"])
    assert "restored from an earlier run" in told


def test_a_hidden_stage_has_no_line(repository: Path):
    declare(repository, one="well", two="well")
    summary, told = run(repository, hidden=["one"])
    assert [report.stage for report in summary.ran] == ["two"]
    assert "one" not in told


@pytest.mark.parametrize(("how", "error"), [("GateError", GateError), ("CellError", StageError)])
def test_a_failed_stage_ends_the_run_with_its_error(repository: Path, how: str, error: type[Exception]):
    declare(repository, one=how)
    summary, _ = run(repository)
    with pytest.raises(error, match="one: no"):
        raise_for(summary)


def test_another_failure_is_told_as_dvc_tells_it(repository: Path):
    declare(repository, one="silent")
    with pytest.raises(PipelineError, match=r"DVC stopped: failed to reproduce 'one'.*exited with 5"):
        run(repository)


def test_a_locked_repository_is_waited_for(repository: Path):
    declare(repository, one="well")
    hold = "import sys, time, zc.lockfile; lock = zc.lockfile.LockFile('.dvc/tmp/lock'); print('held', flush=True); time.sleep(6)"
    (repository / ".dvc/tmp").mkdir(exist_ok=True)
    with subprocess.Popen([sys.executable, "-c", hold], cwd=repository, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        holder.stdout.readline()
        summary, told = run(repository)
    assert [report.stage for report in summary.ran] == ["one"]
    assert told.count("Waiting for it to end") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_a_run_leaves_no_process(repository: Path, number: signal.Signals):
    declare(repository, one="sleep")
    code = (
        "from pathlib import Path; from nbship.execution.runner import reproduce; from nbship.execution.progress import PlainProgress\n"
        "from nbship.execution.parents import stop_with_parents; from nbship.project import Project, Settings\n"
        "stop_with_parents({}); reproduce(Project(Path.cwd(), Settings()), [], progress=PlainProgress([]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=repository, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (repository / "pid").is_file() or not (repository / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    stage = psutil.Process(int((repository / "pid").read_text()))
    os.kill(process.pid, number)
    assert process.wait(timeout=15) != 0
    assert not stage.is_running() or stage.status() == psutil.STATUS_ZOMBIE
