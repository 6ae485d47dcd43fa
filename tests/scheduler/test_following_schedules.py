"""A schedule that runs after another one: once for each of its runs that succeeds, for the same time and window."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from services import postgres_url

from nbship import project
from nbship.errors import ScheduleError
from nbship.project import Project, ScheduleSection, Settings
from nbship.scheduler import Host, Job, Store, export_files, jobs_of, with_followers
from nbship.scheduler.database import Database, Postgres, Sqlite

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def jobs(folder: Path, *, catch_up: str = "latest") -> tuple[Job, Job]:
    """A job of each hour, and one that follows it."""
    schedules = {
        "new": ScheduleSection("data", "0 * * * *", window="day", catch_up="all"),
        "train": ScheduleSection("run", after="new", catch_up=catch_up),  # type: ignore[arg-type]
    }
    new, train = jobs_of(Project(folder, Settings(schedules=schedules)))
    return new, train


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        yield Sqlite(tmp_path / "schedules.sqlite")
        return
    with postgres_url() as url:
        opened = Postgres(url)
        yield opened
        opened.close()


def run(store: Store, job: Job, now: datetime, state: str = "succeeded") -> datetime | None:
    """Run what is due of a job; return its scheduled time."""
    claim = store.claim(job, now, holder="here")
    if claim is None:
        return None
    assert store.begin(claim, now)
    assert store.finish(claim, state, "", now)
    return claim.scheduled


def test_it_follows_each_success_once(tmp_path: Path, database: Database) -> None:
    new, train = jobs(tmp_path)
    store = Store(database)
    assert (run(store, new, NOON), run(store, train, NOON)) == (None, None)
    assert run(store, new, NOON + HOUR, "failed") == NOON + HOUR
    assert run(store, train, NOON + HOUR) is None
    assert run(store, new, NOON + 2 * HOUR) == NOON + 2 * HOUR
    assert run(store, train, NOON + 2 * HOUR, "failed") == NOON + 2 * HOUR
    assert run(store, train, NOON + 3 * HOUR) is None
    assert train.window(NOON) == new.window(NOON) == (date(2026, 1, 4), date(2026, 1, 5))


def test_what_succeeded_before_it_was_seen_is_not_followed(tmp_path: Path, database: Database) -> None:
    new, train = jobs(tmp_path)
    store = Store(database)
    run(store, new, NOON)
    assert run(store, new, NOON + HOUR) == NOON + HOUR
    assert run(store, train, NOON + 2 * HOUR) is None


@pytest.mark.parametrize("catch_up", ["latest", "all"])
def test_several_are_caught_up(catch_up: str, tmp_path: Path, database: Database) -> None:
    new, train = jobs(tmp_path, catch_up=catch_up)
    store = Store(database)
    run(store, new, NOON)
    run(store, train, NOON)
    times = [NOON + number * HOUR for number in range(1, 4)]
    assert [run(store, new, NOON + 3 * HOUR) for _ in times] == times
    ran = [run(store, train, NOON + 3 * HOUR) for _ in range(4)]
    if catch_up == "all":
        assert ran == [*times, None]
        return
    assert ran == [times[-1], None, None, None]
    status = store.status(train)
    assert status is not None
    found = [(entry.scheduled, entry.state, entry.reason) for entry in status.entries]
    assert found[1:] == [(each, "missed", "A later run took its place.") for each in reversed(times[:-1])]


def test_an_interrupted_one_is_repeated(tmp_path: Path, database: Database) -> None:
    new, train = jobs(tmp_path)
    store = Store(database)
    run(store, new, NOON)
    run(store, train, NOON)
    run(store, new, NOON + HOUR)
    assert run(store, train, NOON + HOUR, "interrupted") == NOON + HOUR
    assert run(store, train, NOON + HOUR) == NOON + HOUR
    assert run(store, train, NOON + HOUR) is None


def test_with_schedulers_that_stop_and_a_clock_that_is_set_each_success_is_followed_once(tmp_path: Path) -> None:
    chance = random.Random(11)
    new, train = jobs(tmp_path, catch_up="all")
    database = Sqlite(tmp_path / "schedules.sqlite")
    database.all("PRAGMA synchronous = OFF")
    store = Store(database)
    run(store, new, NOON)
    run(store, train, NOON)
    succeeded: list[datetime] = []
    followed: list[datetime] = []
    for step in range(1, 400):
        now = NOON + step * HOUR / 3 + chance.choice([timedelta(), timedelta(), HOUR, -HOUR / 2])
        for job, ran in ((new, succeeded), (train, followed)):
            state = chance.choices(["succeeded", "failed", "interrupted"], [6, 1, 1])[0]
            scheduled = run(store, job, now, state)
            if scheduled and (state == "succeeded" or (job is train and state == "failed")):
                ran.append(scheduled)
    later = NOON + timedelta(days=30)
    while scheduled := run(store, train, later):
        followed.append(scheduled)
    assert len(succeeded) > 80
    assert len(set(succeeded)) == len(succeeded)
    assert sorted(followed) == sorted(succeeded)


def test_its_command_knows_what_it_follows(tmp_path: Path) -> None:
    new, train = jobs(tmp_path)
    environ = train.environment(NOON)
    assert environ["NBSHIP_AFTER"] == "new"
    assert environ["NBSHIP_WINDOW_FROM"] == "2026-01-04"
    assert new.command(NOON)[-6:] == ["data", "fetch", "--from", "2026-01-04", "--to", "2026-01-05"]
    assert [job.name for job in with_followers([new])] == ["new", "train"]


def test_only_what_has_times_is_exported(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    content = {"new": {"job": "data", "cron": "0 5 * * *", "window": "day", "timeout": 100}, "train": {"job": "run", "after": "new", "timeout": 200}}  # fmt: skip
    (tmp_path / "nbship.yaml").write_text(json.dumps({"schedules": content}))
    found = jobs_of(project.load(tmp_path))
    files = export_files("systemd", found, Host("/srv/shop"))
    assert sorted(path.rpartition("-")[2] for path in files) == ["new.service", "new.timer"]
    # The limit of both: the command runs what follows.
    assert "TimeoutStartSec=540" in next(text for path, text in files.items() if path.endswith("new.service"))
    with pytest.raises(ScheduleError, match=r"'train' has no times to export: it runs after 'new'\. Export that one"):
        export_files("cron", found[1:], Host("/srv/shop"))
