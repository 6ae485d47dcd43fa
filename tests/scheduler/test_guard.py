"""The guard of a job ends it in time, with all that it started, and records how it ended."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE, is_running, wait_until

from nbship.scheduler.clocks import boot_seconds

FOREVER = 1e9
# It writes its number to a file, ignores SIGTERM, and waits.
STUBBORN = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('pid', 'w').write(str(os.getpid())); time.sleep(600)"


class Guard:
    """A guard with a job, in a folder."""

    def __init__(self, folder: Path, *command: str, timeout: float = 0, valid_until: float = FOREVER) -> None:
        self.folder = folder
        spec = {
            "command": command, "environment": {"COLOUR": "red"}, "folder": str(folder), "log": str(folder / "log"),
            "outcome": str(folder / "outcome"), "timeout": timeout, "grace": 0.5, "valid_until": valid_until,
        }  # fmt: skip
        words = [sys.executable, "-P", "-m", "nbship.scheduler.guard", json.dumps(spec)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE)

    def outcome(self) -> Any:
        """Wait until the guard ends, and return what it recorded."""
        assert self.process.wait(PATIENCE) == 0
        if self.process.stdin:
            self.process.stdin.close()
        assert stat.S_IMODE((self.folder / "outcome").stat().st_mode) == 0o600
        return json.loads((self.folder / "outcome").read_text())

    def job(self) -> int:
        """Return the process that wrote its number."""
        path = self.folder / "pid"
        wait_until(lambda: path.exists() and path.read_text())
        return int(path.read_text())


def python(source: str) -> tuple[str, ...]:
    return sys.executable, "-S", "-c", source


def test_a_job_that_ends_is_recorded_with_its_output(tmp_path: Path) -> None:
    source = "import os, sys; print(os.environ['COLOUR'], os.getcwd()); print('late', file=sys.stderr); sys.exit(5)"
    assert Guard(tmp_path, *python(source)).outcome() == {"why": "exited", "code": 5}
    assert sorted((tmp_path / "log").read_text().splitlines()) == ["late", f"red {tmp_path}"]
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


def test_a_job_that_cannot_be_started_is_recorded(tmp_path: Path) -> None:
    found = Guard(tmp_path, str(tmp_path / "none")).outcome()
    assert (found["why"], found["code"]) == ("not started", 127)
    assert "No such file" in found["error"]


@pytest.mark.parametrize(
    "why", ["the time limit", "the lease ended", "the scheduler ended", "the scheduler was stopped"]
)
def test_a_job_that_ignores_sigterm_is_killed(why: str, tmp_path: Path) -> None:
    limits = {"the time limit": {"timeout": 2.0}, "the lease ended": {"valid_until": boot_seconds() + 2}}
    guard = Guard(tmp_path, *python(STUBBORN), **limits.get(why, {}))
    job = guard.job()
    if why == "the scheduler ended":
        assert guard.process.stdin
        guard.process.stdin.close()
    elif why == "the scheduler was stopped":
        guard.process.send_signal(signal.SIGTERM)
    assert guard.outcome() == {"why": why, "code": -signal.SIGKILL}
    assert not is_running(job)


def test_a_lease_that_is_renewed_keeps_a_job_running(tmp_path: Path) -> None:
    source = "import os, time\nwhile not os.path.exists('stop'): time.sleep(0.05)"
    guard = Guard(tmp_path, *python(source), valid_until=boot_seconds() + 3)
    assert guard.process.stdin
    guard.process.stdin.write(f"{boot_seconds() + 1}\n{FOREVER}\n".encode())
    guard.process.stdin.flush()
    end = boot_seconds() + 4
    wait_until(lambda: boot_seconds() > end)
    (tmp_path / "stop").touch()
    assert guard.outcome() == {"why": "exited", "code": 0}


def test_a_job_leaves_no_process_behind(tmp_path: Path) -> None:
    # A session of its own, whose parent has ended.
    source = f"import subprocess, sys, time, os; subprocess.Popen([sys.executable, '-S', '-c', {STUBBORN!r}], start_new_session=True)\nwhile not os.path.exists('pid'): time.sleep(0.05)"
    guard = Guard(tmp_path, *python(source))
    assert guard.outcome() == {"why": "exited", "code": 0}
    left = guard.job()
    wait_until(lambda: not is_running(left))


def test_a_job_ends_with_its_guard(tmp_path: Path) -> None:
    guard = Guard(tmp_path, *python(STUBBORN))
    job = guard.job()
    guard.process.kill()
    guard.process.wait(PATIENCE)
    if guard.process.stdin:
        guard.process.stdin.close()
    wait_until(lambda: not is_running(job))
    assert not (tmp_path / "outcome").exists()


def test_the_output_is_bounded_and_its_end_stays(tmp_path: Path) -> None:
    source = "print('\\n'.join(f'line {number:7}' for number in range(900_000)))"
    assert Guard(tmp_path, *python(source)).outcome()["code"] == 0
    assert (tmp_path / "log").stat().st_size <= 10_000_000
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[0] == "[earlier output was removed]"
    assert lines[-1] == "line  899999"
