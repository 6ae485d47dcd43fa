"""A crontab."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from ..jobs import Job
from .host import HEADER, Host, once

__all__ = ["crontab_files"]

_HOUR_MINUTES = 60


def crontab_files(jobs: Sequence[Job], host: Host) -> Mapping[str, str]:
    """Return a crontab with one line for each schedule.

    Debian's cron knows one time zone, that of its host, and no `L` or `#`. A schedule that needs another zone or these
    fields gets a line with its minutes in every hour; nbship runs what is due of them. Example: `0 6 * * MON` in New
    York, on a host in UTC, becomes `0 * * * *`.
    """
    lines = [f"# {HEADER}", ""]
    for job in jobs:
        fields = job.schedule.cron.upper().split()
        is_known = not {"L", "#"} & set(fields[2] + fields[4])
        if job.zone.key == host.timezone and is_known:
            times = " ".join(fields)
        else:
            lines.append(
                f"# {job.schedule.cron} in {job.zone.key}: each line below starts what is due, and mostly nothing."
            )
            times = f"{','.join(map(str, _minutes(job, ZoneInfo(host.timezone))))} * * * *"
        # cron reads % as the end of a line.
        command = f"cd {shlex.quote(host.root)} && {host.command(*once(job))}".replace("%", "\\%")
        lines += [f"{times} {command}", ""]
    return {"crontab": "\n".join(lines)}


def _minutes(job: Job, zone: ZoneInfo) -> list[int]:
    """Return the minutes of the host's clock at which a schedule may be due: offsets of zones differ by 15 minutes."""
    minutes = CronSim(job.schedule.cron, datetime(2024, 1, 1, tzinfo=UTC)).minutes
    shifts: set[int] = set()
    for month in range(24):
        instant = datetime.now(UTC) + timedelta(days=30 * month)
        ours, theirs = instant.astimezone(job.zone).utcoffset(), instant.astimezone(zone).utcoffset()
        assert ours is not None
        assert theirs is not None
        shifts.add(int((theirs - ours).total_seconds() // 60) % _HOUR_MINUTES)
    # Times in the gap of a clock change are due when it ends, at the full or half hour.
    return sorted({(minute + shift) % _HOUR_MINUTES for minute in (*minutes, 0) for shift in shifts})
