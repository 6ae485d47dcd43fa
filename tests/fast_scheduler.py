"""A scheduler in fast time, with a job that records what it does: `python fast_scheduler.py FOLDER URL ORIGIN`.

A second is a minute, counted from ORIGIN (seconds since the machine started). URL is empty for SQLite.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

__all__ = ["BASE", "LEASE_SECONDS"]

BASE = datetime(2026, 3, 8, tzinfo=UTC)
SPEED = 60
LEASE_SECONDS = 4.0


def work(folder: Path, scheduled: str) -> NoReturn:
    """Be the job: record begin and end, and whether another run of it is running."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    journal = os.open(folder / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.write(journal, f"overlap {scheduled}\n".encode())
    os.write(journal, f"begin {scheduled}\n".encode())
    time.sleep(0.2)
    os.write(journal, f"end {scheduled}\n".encode())
    os._exit(0)


def serve(folder: Path, url: str, origin: float) -> None:
    """Run the scheduler until SIGTERM."""
    from nbship.project import Project, ScheduleSection, Settings
    from nbship.scheduler import Job, Service, Store
    from nbship.scheduler.clocks import boot_seconds
    from nbship.scheduler.database import Postgres, Sqlite
    from nbship.scheduler.jobs import time_name

    @dataclass(frozen=True)
    class Recording(Job):
        def command(self, scheduled: datetime) -> list[str]:
            return [sys.executable, "-S", __file__, str(self.project.root), "", time_name(scheduled)]

    schedule = ScheduleSection("monitor", "* * * * *", catch_up="all")
    job = Recording(f"job-{int(origin)}", schedule, Project(folder, Settings()), folder / "outputs")
    database = Postgres(url) if url else Sqlite(folder / "schedules.sqlite")
    service = Service(
        [job],
        Store(database, lease=LEASE_SECONDS),
        tell=print,
        now=lambda: BASE + timedelta(seconds=(boot_seconds() - origin) * SPEED),
        pause=0.2,
    )
    signal.signal(signal.SIGTERM, lambda *_: service.stop())
    service.serve()


if __name__ == "__main__":
    if sys.argv[2:3] == [""] and not sys.argv[3].replace(".", "").isdigit():
        work(Path(sys.argv[1]), sys.argv[3])
    serve(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
