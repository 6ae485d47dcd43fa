"""Schedules: every time runs once, whatever is killed, and whenever clocks change."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import fast_scheduler
import pytest
from debian_cron import CRONS, ZONES, changes, runs
from virtual_schedules import make_job, simulate
from waiting import PATIENCE, wait_until

from nbship.scheduler.clocks import boot_seconds


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The database that two schedulers share; empty for SQLite."""
    if request.param == "sqlite":
        return ""
    found = os.environ.get("NBSHIP_TEST_POSTGRES")
    if not found:
        pytest.skip("NBSHIP_TEST_POSTGRES names no database")
    return found


class Schedulers:
    """Two schedulers of one job."""

    def __init__(self, folder: Path, url: str) -> None:
        self._command = [sys.executable, fast_scheduler.__file__, str(folder), url, f"{boot_seconds():.3f}"]
        self._output = folder / "schedulers.log"
        self.processes = [self._started(), self._started()]

    def _started(self) -> subprocess.Popen[bytes]:
        with self._output.open("ab") as output:
            return subprocess.Popen(self._command, stdout=output, stderr=output)

    def kill(self, index: int) -> None:
        """Kill one without a warning, and start another in its place."""
        self.processes[index].kill()
        self.processes[index].wait(PATIENCE)
        self.processes[index] = self._started()

    def stop(self) -> None:
        """Stop both, as a supervisor does."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            assert process.wait(PATIENCE) == 0, self._output.read_text(encoding="utf-8")


@pytest.fixture
def schedulers(tmp_path: Path, url: str) -> Iterator[Schedulers]:
    found = Schedulers(tmp_path, url)
    yield found
    for process in found.processes:
        process.kill()
        process.wait(PATIENCE)


def test_killed_schedulers_lose_no_run_and_repeat_none_that_ended(
    schedulers: Schedulers, tmp_path: Path, full: bool
) -> None:
    chance = random.Random(7)
    journal = tmp_path / "journal"

    def ended() -> list[str]:
        lines = journal.read_text().splitlines() if journal.exists() else []
        return [line.removeprefix("end ") for line in lines if line.startswith("end ")]

    wait_until(lambda: len(ended()) >= 2)
    for _ in range(100 if full else 3):
        time.sleep(chance.uniform(0, 1.5))  # at any point of a run
        schedulers.kill(chance.randrange(2))
    before = len(ended())
    wait_until(lambda: len(ended()) >= before + 5)
    schedulers.stop()

    lines = [line.split() for line in journal.read_text().splitlines()]
    assert not [line for line in lines if line[0] == "overlap"]
    assert set(Counter(ended()).values()) == {1}
    times = [datetime.strptime(each, "%Y-%m-%dT%H%M%SZ") for each in ended()]
    # None is lost: one each minute, in order.
    assert times == [times[0] + number * timedelta(minutes=1) for number in range(len(times))]
    begun = [line[1] for line in lines if line[0] == "begin"]
    assert len(begun) >= len(times)


@pytest.mark.long
@pytest.mark.parametrize("name", ZONES)
def test_every_time_runs_once_in_virtual_time(name: str, tmp_path: Path) -> None:
    zone = ZoneInfo(name)
    for season, change in enumerate(changes(zone, 2025)):
        start, end = change - timedelta(hours=20), change + timedelta(hours=30)
        for number, cron in enumerate(CRONS):
            job = make_job(tmp_path, cron, name, catch_up="all")
            found = simulate(job, tmp_path / f"{season}-{number}.sqlite", start, end, seed=number)
            assert found.ran == runs(cron, zone, found.first, found.last), (cron, change)
            assert not found.missed
