from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import PATIENCE, is_running, wait_until

from nbship.dvcstore import read_lock, read_repository
from nbship.dvcstore.run_cache import RunCache
from nbship.errors import GateError, StageError
from nbship.execution.reporting.progress import PlainProgress
from nbship.execution.reporting.report import StageReport
from nbship.execution.reporting.summary import RunSummary, raise_for
from nbship.execution.runner import run
from nbship.project import load

from .graphs import WORK, executions, write_graph
from .two_stages import call, write_project


def run_project(
    root: Path, *targets: str, output: io.StringIO | None = None, **options: Any
) -> tuple[RunSummary, list[str]]:
    output = output or io.StringIO()
    summary = run(load(root), targets, progress=PlainProgress(file=output), **options)
    return summary, output.getvalue().splitlines()


def ran(summary: RunSummary) -> list[str]:
    return [report.stage for report in summary.ran]


def edit(root: Path, name: str, cell: str) -> None:
    path = root / "notebooks" / name
    content = json.loads(path.read_text())
    content["cells"][-1]["source"] += "\n" + cell
    path.write_text(json.dumps(content))


def test_changed_stages_run_and_are_reported(project: Path):
    summary, output = run_project(project)
    assert (ran(summary), summary.up_to_date, output) == ([], ["load", "fit"], [])
    edit(project, "20_fit.ipynb", "print('more')")
    summary, output = run_project(project)
    assert (ran(summary), summary.up_to_date) == (["fit"], ["load"])
    assert output[0] == "fit   started"


def test_lost_or_changed_products_are_restored_without_a_run(project: Path):
    before_files = {
        path: path.read_bytes() for path in (project / "products").rglob("*.*") if path.name != ".gitignore"
    }
    (project / "products/data.json").unlink()
    (project / "products/20_fit.html").write_text("mine")
    (project / "products/metrics.json").write_text("{}")
    summary, output = run_project(project)
    assert (ran(summary), summary.restored) == ([], ["load", "fit"])
    assert all("restored" in line for line in output)
    assert {path: path.read_bytes() for path in before_files} == before_files


def test_force_runs_what_is_up_to_date(project: Path):
    before = (project / "dvc.lock").read_bytes()
    summary, _ = run_project(project, force=True)
    assert ran(summary) == ["load", "fit"]
    assert (project / "dvc.lock").read_bytes() == before


def test_a_stage_that_fails_stops_those_after_it(project: Path):
    edit(project, "10_load.ipynb", "raise ValueError('no')")
    summary, output = run_project(project)
    assert ran(summary) == ["load"]
    assert "FAILED" in output[1]
    assert len(output) == 2
    with pytest.raises(StageError, match="ValueError: no"):
        raise_for(summary)


@pytest.mark.parametrize(("error", "kind"), [("GateError", GateError), ("CellError", StageError)])
def test_the_error_of_a_stage_is_raised(error: str, kind: type[Exception]):
    with pytest.raises(kind, match="no"):
        raise_for(RunSummary(ran=[StageReport(stage="one", seconds=1.0, error=error, message="no")]))


class ReplyOnWaiting(io.StringIO):
    """An output file that sends an empty line to another process each time the run reports waiting."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__()
        self._process = process

    def write(self, text: str) -> int:
        if "Waiting" in text and self._process.stdin:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        return super().write(text)


def test_a_run_waits_for_another_run_and_for_dvc(project: Path):
    hold = (
        "import json, os, sys, zc.lockfile; lock = zc.lockfile.LockFile('.dvc/tmp/nbship.lock');"
        "json.dump({'write': {os.path.abspath('products'): {'pid': os.getpid(), 'cmd': 'x hold'}}}, open('.dvc/tmp/rwlock', 'w'));"
        "print('held', flush=True); input(); lock.close(); input()"
    )
    command = [sys.executable, "-c", hold, "hold"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=project, text=True, **pipes) as holder:
        assert holder.stdout
        holder.stdout.readline()
        _, output = run_project(project, output=ReplyOnWaiting(holder))
        # The holder releases each lock only after the run reports waiting, so the run ends after both.
        assert holder.wait(PATIENCE) == 0
    assert output[0] == "Another `nbship run` is running here. Waiting for it to finish."
    assert output[1] == "'x hold' is running here. Waiting for it to finish."


# A script that runs a command as an interactive shell, `script &` or `nohup` do.
AS = "import os, signal, sys; signal.signal(signal.{}, signal.SIG_{}); os.execv(sys.argv[1], sys.argv[1:])"


def start_run(root: Path, *, number: str, handling: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", AS.format(number, handling), str(Path(sys.executable).parent / "nbship"), "run"]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("number", "sigint"),
    [
        (signal.SIGINT, "DFL"),
        (signal.SIGTERM, "DFL"),
        (signal.SIGTERM, "IGN"),
        (signal.SIGHUP, "DFL"),
        (signal.SIGHUP, "IGN"),
    ],
)
def test_stopping_a_run_leaves_no_process_and_prints_one_sentence(tmp_path: Path, number: signal.Signals, sigint: str):
    root = write_project(tmp_path)
    edit(root, "10_load.ipynb", "import os, time; open('../pid', 'w').write(str(os.getpid())); time.sleep(1000)")
    if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("under nohup, SIGHUP stops no run")
    process = start_run(root, number="SIGINT", handling=sigint)
    wait_until(lambda: (root / "pid").is_file() and (root / "pid").read_text())
    below = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, number)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert stderr.splitlines() == ["nbship: Stopped. Finished stages are recorded; `nbship run` continues from there."]
    wait_until(lambda: not any(is_running(each.pid) for each in below))
    assert not (root / "products/data.json").exists()
    assert json.loads((root / ".dvc/tmp/rwlock").read_text()) == {}


def test_a_hang_up_does_not_stop_a_run_under_nohup(tmp_path: Path):
    root = write_project(tmp_path)
    edit(
        root,
        "10_load.ipynb",
        "import pathlib, time\npathlib.Path('../begun').touch()\nwhile not pathlib.Path('../go').exists(): time.sleep(0.01)",
    )
    process = start_run(root, number="SIGHUP", handling="IGN")
    wait_until((root / "begun").exists)
    process.send_signal(signal.SIGHUP)
    (root / "go").touch()
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert (process.returncode, stderr) == (0, "")
    assert "2 ran" in stdout


def test_a_failed_stage_does_not_change_the_order_of_the_lock_file(tmp_path: Path) -> None:
    graph = {"a": [], "b": [], "c": ["a", "b"]}
    failing = f"{WORK}\nif stage.name == 'a' and pathlib.Path('../.fail').exists():\n    raise ValueError"
    root = write_graph(tmp_path / "project", graph, work=failing)
    (root / ".fail").touch()
    assert call(root, "nbship", "run", "-j", "2").returncode == 1
    assert "b" in executions(root)
    (root / ".fail").unlink()
    done = call(root, "nbship", "run", "-j", "2")
    assert "b  restored from an earlier run" in done.stdout, done.stdout + done.stderr
    assert list(read_lock(root / "dvc.lock")) == ["notebooks", "a", "b", "c"]


def test_the_run_cache_holds_only_entries_even_if_a_run_is_killed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = read_repository(project)
    cache, folder = RunCache(repository), repository.cache / "runs"
    before = [path for path in sorted(folder.rglob("*")) if path.is_file()]

    def kill(finished: Path, path: Path) -> None:
        assert finished.is_file()
        raise KeyboardInterrupt

    monkeypatch.setattr("nbship.dvcstore.run_cache.publish", kill)
    with pytest.raises(KeyboardInterrupt):
        cache.save({"cmd": "x", "deps": [], "params": {}, "outs": [{"path": "y", "md5": "1"}]})
    assert [path for path in sorted(folder.rglob("*")) if path.is_file()] == before
