"""Each scheduled time runs once, through clock changes, restarts, and clocks that are set by an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from debian_cron import CRONS, ZONES, changes, runs
from virtual_schedules import make_job, simulate

from nbship.scheduler import Store
from nbship.scheduler.database import Sqlite

# Each zone and each expression once; `make test-faults` runs every combination.
CASES = [(ZONES[number % 10], cron, number // 10) for number, cron in enumerate(CRONS)]


@pytest.mark.parametrize(("zone", "cron", "season"), CASES)
def test_every_time_runs_once(zone: str, cron: str, season: int, tmp_path: Path) -> None:
    change = changes(ZoneInfo(zone), 2025)[season]
    start, end = change - timedelta(hours=20), change + timedelta(hours=30)
    job = make_job(tmp_path, cron, zone, catch_up="all")
    found = simulate(job, tmp_path / "schedules.sqlite", start, end, seed=season)
    assert found.ran == runs(cron, ZoneInfo(zone), found.first, found.last)
    assert not found.missed


@pytest.mark.parametrize("cron", ["*/15 * * * *", "30 * * * *", "0 2-4 * * *", "5 */2 * * *"])
@pytest.mark.parametrize("catch_up", ["latest", "none"])
def test_every_time_runs_once_or_is_reported_as_missed(cron: str, catch_up: str, tmp_path: Path) -> None:
    zone = ZoneInfo("America/New_York")
    change = changes(zone, 2025)[1]
    start, end = change - timedelta(hours=20), change + timedelta(hours=30)
    job = make_job(tmp_path, cron, zone.key, catch_up=catch_up)
    found = simulate(job, tmp_path / "schedules.sqlite", start, end, seed=5)
    expected = runs(cron, zone, found.first, found.last)
    missed = [each for first, last, _, _ in found.missed for each in expected if first <= each <= last]
    assert sorted([*found.ran, *missed]) == expected
    assert len(missed) == sum(count for _, _, count, _ in found.missed)
    for first, last, _, reason in found.missed:
        assert first <= last
        assert reason
    assert found.ran == sorted(found.ran)


def test_projects_share_a_database(tmp_path: Path) -> None:
    database = Sqlite(tmp_path / "schedules.sqlite")
    store = Store(database)
    start = datetime(2026, 1, 5, tzinfo=UTC)
    jobs = [make_job(tmp_path / name, "0 * * * *", "UTC") for name in ("risk", "price")]
    for job in jobs:
        assert store.claim(job, start, holder="here") is None
    claims = [store.claim(job, start + timedelta(hours=1), holder="here") for job in jobs]
    assert all(claims)
    assert [store.claim(job, start + timedelta(hours=2), holder="there") for job in jobs] == [None, None]


def test_a_clock_that_was_a_year_ahead_stops_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    store = Store(Sqlite(tmp_path / "schedules.sqlite"))
    job = make_job(tmp_path, "0 6 * * *", "UTC")
    start = datetime(2026, 1, 5, tzinfo=UTC)
    store.claim(job, start, holder="here")
    for now in (start + timedelta(days=366), start + timedelta(hours=12), start + timedelta(days=1, hours=7)):
        claim = store.claim(job, now, holder="here")
        if claim:
            assert store.finish(claim, "succeeded", "", now)
    status = store.status(job)
    assert status is not None
    done = [entry.scheduled for entry in status.entries if entry.state == "succeeded"]
    # The last one a year ahead and, after the clock was set right, the next one.
    assert done == [datetime(2027, 1, 5, 6, tzinfo=UTC), datetime(2026, 1, 6, 6, tzinfo=UTC)]
