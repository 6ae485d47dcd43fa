"""The files of runs: `<time>.log`, `<time>.ipynb`, and how attempts ended."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from .jobs import Job, time_name

__all__ = ["log_of", "remove_old"]

# Runs of each schedule whose files are kept.
_KEPT = 100


def log_of(job: Job, scheduled: datetime) -> Path:
    """Return the path of the output of a run."""
    return job.folder / f"{time_name(scheduled)}.log"


def remove_old(job: Job) -> None:
    """Delete the files of all but the last hundred runs."""
    with suppress(OSError):
        # Names begin with the scheduled time, after a dot for the outcomes.
        times = {path: path.name.lstrip(".").partition(".")[0] for path in job.folder.iterdir()}
        old = set(sorted(set(times.values()))[:-_KEPT])
        for path, scheduled in times.items():
            if scheduled in old:
                path.unlink()
