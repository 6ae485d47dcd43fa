"""The files of runs: `<time>.log`, `<time>.ipynb`, and how attempts ended."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from ..text import one_line
from .jobs import Job, time_name

__all__ = ["last_error", "log_of", "remove_old"]

# Runs of each schedule whose files are kept.
_KEPT = 100
# Errors of nbship are one line each.
_ERROR, _LAST_BYTES, _MOST_CHARACTERS = "nbship: ", 16_384, 600


def log_of(job: Job, scheduled: datetime) -> Path:
    """Return the path of the output of a run."""
    return job.folder / f"{time_name(scheduled)}.log"


def last_error(job: Job, scheduled: datetime) -> str:
    """Return the sentence of the last error that nbship printed in a run; empty without one."""
    with suppress(OSError), log_of(job, scheduled).open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
        found = (line.removeprefix(_ERROR) for line in reversed(lines) if line.startswith(_ERROR))
        return one_line(next(found, ""), most=_MOST_CHARACTERS)
    return ""


def remove_old(job: Job) -> None:
    """Delete the files of all but the last hundred runs."""
    with suppress(OSError):
        # Names begin with the scheduled time, after a dot for the outcomes.
        times = {path: path.name.lstrip(".").partition(".")[0] for path in job.folder.iterdir()}
        old = set(sorted(set(times.values()))[:-_KEPT])
        for path, scheduled in times.items():
            if scheduled in old:
                path.unlink()
