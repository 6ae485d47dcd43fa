"""Schedulers in virtual time: they stop and resume, and their clock is set forward and back."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from nbship.project import Project, ScheduleSection, Settings
from nbship.scheduler import Claim, Job, Store
from nbship.scheduler.database import Sqlite

__all__ = ["Simulated", "make_job", "simulate"]

HOUR = timedelta(hours=1)
STEP = timedelta(minutes=10)


@dataclass
class Simulated:
    """What happened: the scheduled times that ran, in order, those reported as missed, and the reasons."""

    first: datetime
    last: datetime
    ran: list[datetime] = field(default_factory=list)
    missed: list[tuple[datetime, datetime, int, str]] = field(default_factory=list)


def make_job(folder: Path, cron: str, zone: str, *, catch_up: str = "latest", window: str = "") -> Job:
    """A job of a project in a folder."""
    schedule = ScheduleSection("monitor", cron, timezone=zone, catch_up=catch_up, window=window)  # type: ignore[arg-type]
    return Job("job", schedule, Project(folder, Settings()), folder / "job")


def simulate(job: Job, database: Path, start: datetime, end: datetime, *, seed: int) -> Simulated:
    """Run a job from `start` to `end`, with one clock an hour off at times, a restart now and then, and long runs."""
    chance = random.Random(seed)
    instant, skew, stopped = start, timedelta(), timedelta()
    running: tuple[Claim, datetime] | None = None
    store = _opened(database)
    found = Simulated(start, start)
    while instant <= end:
        if chance.random() < 0.05:  # the clock is set, and a while later set right
            skew = chance.choice([HOUR, -HOUR, timedelta()])
        if chance.random() < 0.03:  # the scheduler stops, and its runs with it
            if running:
                assert store.finish(running[0], "interrupted", "", instant + skew)
                running = None
            stopped = chance.choice([STEP, 2 * HOUR, 9 * HOUR])
            store = _opened(database)
        if instant > end - 12 * HOUR:
            skew = stopped = timedelta()
        if stopped > timedelta():
            stopped -= STEP
            instant += STEP
            continue
        now = instant + skew
        if running and running[1] <= instant:
            assert store.finish(running[0], "succeeded", "", now)
            found.ran.append(running[0].scheduled)
            running = None
        while not running and (claim := store.claim(job, now, holder="here")):
            assert store.begin(claim, now)
            assert store.claim(job, now, holder="there") is None  # never two at a time
            running = claim, instant + (HOUR if chance.random() < 0.05 and instant < end - 12 * HOUR else timedelta())
            if running[1] == instant:
                assert store.finish(claim, "succeeded", "", now)
                found.ran.append(claim.scheduled)
                running = None
        if instant == start:
            found.first = now
        found.last = max(found.last, now)
        instant += STEP
    status = store.status(job, most=10_000)
    assert status is not None
    if running:
        assert store.finish(running[0], "succeeded", "", end)
        found.ran.append(running[0].scheduled)
    for entry in reversed(status.entries):
        if entry.state in ("missed", "abandoned"):
            found.missed.append((entry.first, entry.scheduled, entry.count, entry.reason))
    return found


def _opened(path: Path) -> Store:
    database = Sqlite(path)
    database.all("PRAGMA synchronous = OFF")  # no power fails in virtual time
    return Store(database)
