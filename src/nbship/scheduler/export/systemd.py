"""Timers and services of systemd."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cronsim import CronSim

from ..jobs import Job
from .host import HEADER, Host, identifier, once, seconds_of

__all__ = ["systemd_files"]

_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_LAST = -1000  # cronsim's number of `L`


def systemd_files(jobs: Sequence[Job], host: Host) -> Mapping[str, str]:
    """Return a timer and a service for each schedule."""
    files: dict[str, str] = {}
    for job in jobs:
        name = f"nbship-{identifier(job)}"
        times = "\n".join(f"OnCalendar={each}" for each in _calendar(job))
        files[f"{name}.timer"] = (
            f"# {HEADER}\n[Unit]\nDescription=Times of the nbship schedule {job.name}\n\n"
            f"[Timer]\n{times}\nAccuracySec=1s\n# After a pause, nbship decides what is caught up.\nPersistent=true\n\n"
            "[Install]\nWantedBy=timers.target\n"
        )
        command = host.command(*once(job)).replace("%", "%%")
        limit = f"TimeoutStartSec={seconds_of(job)}\n" if seconds_of(job) else "TimeoutStartSec=infinity\n"
        files[f"{name}.service"] = (
            f"# {HEADER}\n[Unit]\nDescription=The nbship schedule {job.name}\nWants=network-online.target\nAfter=network-online.target\n\n"
            f"[Service]\nType=oneshot\nWorkingDirectory={host.root.replace('%', '%%')}\nExecStart={command}\n"
            f"# nbship stops its job itself.\nKillMode=mixed\nTimeoutStopSec=30\n{limit}"
        )
    return files


def _calendar(job: Job) -> Iterator[str]:
    """Yield the times: two if a day may match by its date or by its weekday, as in cron."""
    fields: Any = CronSim(job.schedule.cron, datetime(2024, 1, 1, tzinfo=UTC))
    months = _listed(fields.months, range(1, 13))
    clock = f"{_listed(fields.hours, range(24))}:{_listed(fields.minutes, range(60))}:00 {job.zone.key}"
    every = fields.days == set(range(1, 32)) and _weekdays(fields) == set(range(7))
    dates = _dates(fields.days) if fields.days != set(range(1, 32)) else ["*"]
    weekdays = (
        ""
        if _weekdays(fields) == set(range(7))
        else ",".join(_DAYS[day] for day in sorted(_weekdays(fields) or ())) + " "
    )
    is_own = _weekdays(fields) is None or any(day < _LAST for day in fields.days)
    if every or is_own:
        # What systemd cannot express: each day, of which nbship runs those that are due.
        yield f"*-{months}-* {clock}"
    elif fields.day_and:
        yield from (f"{weekdays}*-{months}{date if date.startswith('~') else f'-{date}'} {clock}" for date in dates)
    else:
        yield f"{weekdays}*-{months}-* {clock}"
        yield from (f"*-{months}{date if date.startswith('~') else f'-{date}'} {clock}" for date in dates)


def _weekdays(fields: Any) -> set[int] | None:
    """Return the weekdays, Sunday as 0; None for weekdays of a certain week."""
    if any(isinstance(day, tuple) for day in fields.weekdays):
        return None
    return {day % 7 for day in fields.weekdays}


def _dates(days: Iterable[int]) -> list[str]:
    numbers = sorted(day for day in days if day > 0)
    return [*([",".join(f"{day:02}" for day in numbers)] if numbers else []), *(["~01"] if _LAST in days else [])]


def _listed(values: Iterable[int], everything: range) -> str:
    found = sorted(values)
    return "*" if found == list(everything) else ",".join(f"{value:02}" for value in found)
