"""What is known of each schedule: its next and last runs, and what it missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from .entries import Entry, Status
from .jobs import Job
from .outputs import log_of
from .store import Store

__all__ = ["as_json", "as_lines", "overview"]


def overview(jobs: Sequence[Job], store: Store, *, most: int = 5) -> list[tuple[Job, Status | None]]:
    """Return what the database knows of each schedule, with its latest entries."""
    return [(job, store.status(job, most=most)) for job in jobs]


def as_json(found: Sequence[tuple[Job, Status | None]], now: datetime) -> list[Mapping[str, Any]]:
    """Return the schedules for machines; times are those of ISO 8601, in the zones of the schedules."""
    return [
        {
            "name": job.name,
            "job": job.schedule.job,
            "cron": job.schedule.cron,
            "after": job.schedule.after or None,
            "timezone": job.zone.key,
            "next": _iso(job.times.after(now), job),
            "running_on": status.holder or None if status else None,
            "last_looked": _iso(status.looked, job) if status else None,
            "history": [_entry(each, job) for each in status.entries] if status else [],
        }
        for job, status in found
    ]


def as_lines(found: Sequence[tuple[Job, Status | None]], now: datetime) -> Iterator[str]:
    """Yield the lines of a listing for people."""
    for job, status in found:
        coming = job.times.after(now)
        words = " ".join([job.schedule.job, *job.schedule.arguments])
        times = f"after {job.schedule.after}" if job.schedule.after else f"{job.schedule.cron} · {job.zone.key}"
        yield f"{job.name}: {words} · {times}"
        yield f"  next   {_local(coming, job) if coming else 'never'}"
        if status is None:
            yield "  No scheduler has seen it yet. Start one: `nbship schedule run`."
            continue
        for entry in status.entries:
            yield f"  {_line(entry, job, status)}"


def _line(entry: Entry, job: Job, status: Status) -> str:
    reason = f" · {entry.reason}" if entry.reason else ""
    if entry.state == "missed":
        if entry.count == 1:
            return f"missed {_local(entry.scheduled, job)}{reason}"
        return f"missed {entry.count:,} from {_local(entry.first, job)} to {_local(entry.scheduled, job)}{reason}"
    state = entry.state
    if state == "running":
        state = f"running on {status.holder}" if status.holder else "interrupted: its scheduler was killed"
    seconds = _seconds(entry)
    took = "" if seconds is None else f" · {seconds:.1f} s"
    attempts = f" · {entry.attempts} attempts" if entry.attempts > 1 else ""
    return f"last   {_local(entry.scheduled, job)} · {state}{took}{attempts}{reason}"


def _entry(entry: Entry, job: Job) -> Mapping[str, Any]:
    window = job.window(entry.scheduled)
    return {
        "scheduled": _iso(entry.scheduled, job),
        "state": entry.state,
        "first": _iso(entry.first, job),
        "count": entry.count,
        "attempts": entry.attempts,
        "started": _iso(entry.started, job),
        "ended": _iso(entry.ended, job),
        "seconds": _seconds(entry),
        "window": [str(day) for day in window] if window else None,
        "reason": entry.reason,
        "log": str(log_of(job, entry.scheduled)) if entry.attempts else None,
    }


def _seconds(entry: Entry) -> float | None:
    return (entry.ended - entry.started).total_seconds() if entry.started and entry.ended else None


def _iso(instant: datetime | None, job: Job) -> str | None:
    return instant.astimezone(job.zone).isoformat(timespec="seconds") if instant else None


def _local(instant: datetime, job: Job) -> str:
    return f"{instant.astimezone(job.zone):%a %Y-%m-%d %H:%M}"
