"""After any process is killed at any time, the next run gives the same digests, and no process survives."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest
from execution.graphs import DIAMOND, WORK, executions, products, write_graph
from runs import Failpoints, StartedRun, find_problems, run_project, try_run
from waiting import wait_until

from nbship.dvcstore.cache import Cache
from nbship.dvcstore.lock_entry import Entry, same_inputs
from nbship.dvcstore.store import DeclaredStage, DvcStore

pytestmark = pytest.mark.timeout(7200)

# Writes a product slowly, so that kills often hit a half-written file.
SLOW = (
    WORK
    + """
import subprocess, time
subprocess.Popen(["sleep", "1000"])  # ends with the stage, whichever process is killed
with open(stage.product["parts"] / "slow.txt", "w") as slow:
    for part in range(5):
        slow.write(f"{part} of {total}\\n")
        slow.flush()
        time.sleep(0.02)
"""
)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_graph(tmp_path_factory.mktemp("fresh") / "project", DIAMOND, work=SLOW)


@pytest.fixture(scope="module")
def done(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = copy(fresh, tmp_path_factory.mktemp("done") / "project")
    run_project(root)
    executions(root)
    return root


@pytest.fixture(scope="module")
def expected(done: Path) -> Mapping[str, bytes]:
    return products(done)


def copy(source: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(source, target, symlinks=True))


def crash_at(root: Path, at: int, *, of: str = "") -> int:
    """Run until the n-th change of paths that contain `of`, or to the end; return the exit code."""
    points = Failpoints(at, of=of or str(root))
    started = StartedRun(root, before=points.install)
    assert started.leaves_no_process(), f"processes survive a crash at change {at}"
    return started.process.exitcode or 0


def crashes(fresh: Path, expected: Mapping[str, bytes], *, of: str = "", ats: Iterable[int]) -> Iterator[str]:
    """Crash at each point and run again; yield the problem after each. Stop at the first point that is not reached."""
    for at in ats:
        root = copy(fresh, fresh.with_name("crashed"))
        if crash_at(root, at, of=of) != -signal.SIGKILL:
            return
        wrong = try_run(root) or find_problems(root, expected)
        yield f"after a crash at change {at} of '{of}': {wrong}" if wrong else ""


def test_a_run_may_die_at_any_change_on_disk(fresh: Path, expected: Mapping[str, bytes], full: bool) -> None:
    every = itertools.count(1) if full else sorted(random.Random(0).sample(range(1, 250), 3))
    assert "".join(crashes(fresh, expected, ats=every)) == ""


@pytest.mark.parametrize("of", ["cache/files", "cache/runs", "dvc.lock", ".dvc/tmp", "digests.json"])
def test_a_run_may_die_at_any_change_of_dvcs_files(
    fresh: Path, expected: Mapping[str, bytes], full: bool, of: str
) -> None:
    assert "".join(crashes(fresh, expected, of=of, ats=itertools.count(1) if full else (2,))) == ""


@pytest.mark.long
def test_a_cache_that_is_written_in_place_would_be_caught(
    fresh: Path, expected: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish(objects: Cache, temporary: Path, md5: str) -> None:
        objects.path(md5).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(temporary, objects.path(md5))

    monkeypatch.setattr(Cache, "_publish", publish)
    monkeypatch.setattr(Cache, "_is_intact_file", lambda objects, md5: objects.path(md5).exists())
    assert any(crashes(fresh, expected, of="cache/files", ats=range(1, 9)))


def kill_something(started: StartedRun, rng: random.Random) -> str:
    """Wait until some stages have started, and a bit longer; then kill some of its processes."""
    log, begun = started.root / "ran.log", rng.randrange(len(DIAMOND))
    wait_until(lambda: not started.process.is_alive() or len(log.read_text().split() if log.is_file() else []) >= begun)
    time.sleep(rng.uniform(0.05, 0.4))
    alive = started.alive()
    if not alive:
        return "nothing"
    kind = rng.choice(["runner", "other", "other", "all", "fork server", "fork server", "runner and fork server"])
    server = [process for process in alive if is_fork_server(process, alive[0])]
    victims = {
        "runner": alive[:1],
        "other": [rng.choice(alive)],
        "all": alive,
        "fork server": server,
        "runner and fork server": alive[:1] + server,
    }[kind]
    for process in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    return kind


def is_fork_server(process: psutil.Process, runner: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.ppid() == runner.pid and "nbship.execution.kernels.forkserver" in process.cmdline()
    return False


def rounds(done: Path, expected: Mapping[str, bytes], *, times: int, seed: int = 0) -> Iterator[str]:
    """Crash several forced runs in one project; yield the problem after each."""
    rng = random.Random(seed)
    root = copy(done, done.with_name("rounds"))
    for number in range(times):
        started = StartedRun(root, {"force": True, "jobs": rng.choice([1, 2])})
        kind = kill_something(started, rng)
        no_process_left = started.leaves_no_process()
        wrong = try_run(root) or find_problems(root, expected)
        yield (
            f"round {number}, {kind}: " * bool(wrong or not no_process_left)
            + wrong
            + " processes survive" * (not no_process_left)
        )


def test_any_process_of_a_run_may_be_killed(done: Path, expected: Mapping[str, bytes], full: bool) -> None:
    wrong = [text for text in rounds(done, expected, times=200 if full else 4) if text]
    assert wrong == []


@pytest.mark.long
def test_a_run_that_trusts_the_lock_file_would_be_caught(
    done: Path, expected: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def believe(store: DvcStore, stage: DeclaredStage, inputs: Entry) -> bool:
        return same_inputs(store._lock_writer.get(stage.name), inputs)

    monkeypatch.setattr(DvcStore, "is_current", believe)
    assert any(rounds(done, expected, times=12))
