"""One attempt of a run: a guard with the job, and how it ended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Event

from ..errors import NbshipError
from .clocks import boot_seconds
from .guard import GuardSpec
from .jobs import Job, time_name

__all__ = ["Outcome", "read_outcome", "run_attempt"]

_GUARD = (sys.executable, "-P", "-m", "nbship.scheduler.guard")
_PAUSE_SECONDS = 0.2
_MOST_GRACE = 10.0
# Exit codes of jobs that fail again: wrong usage, and a model that did not pass the gate.
_FINAL = (2, 3)


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes
    ----------
    why
        `exited`, `the time limit`, or why the scheduler ended it.
    """

    why: str
    code: int
    error: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the job did its work."""
        return self.why == "exited" and self.code == 0

    @property
    def is_interrupted(self) -> bool:
        """Whether the job was ended for a reason that is not its own."""
        return self.why.startswith("the scheduler") or self.why == "the lease ended"

    @property
    def is_final(self) -> bool:
        """Whether another attempt would end in the same way."""
        return self.why == "exited" and self.code in _FINAL

    def reason(self, timeout: float) -> str:
        """Return a failure as a sentence."""
        if self.why == "the time limit":
            return f"It was stopped after its time limit of {timeout:g} s."
        if self.error:
            return f"It could not be started: {self.error.rstrip('.')}."
        if self.why == "killed":
            return "The process that guards it was killed."
        return f"It was ended by signal {-self.code}." if self.code < 0 else f"It exited with code {self.code}."


def run_attempt(
    job: Job,
    scheduled: datetime,
    *,
    number: int,
    lease: float,
    renewed: float,
    renew: Callable[[], bool | None],
    stopping: Event,
) -> Outcome:
    """Run a job once, renewing the lease meanwhile.

    Parameters
    ----------
    number
        The number of the attempt.
    lease
        The seconds for which a renewed lease is valid. The job ends before that, even if it ignores SIGTERM.
    renewed
        The time, in seconds since the machine started, before which the lease was not renewed.
    renew
        Renews the lease; returns False if it was lost, and None if that is not known.
    stopping
        Is set when the scheduler stops.
    """
    grace = min(_MOST_GRACE, lease / 6)
    paths = _paths(job, scheduled, number)
    try:
        job.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = job.command(scheduled)
    except (NbshipError, OSError) as error:
        return Outcome("not started", 127, str(error))
    spec = GuardSpec(
        command=command,
        environment={**job.environment(scheduled), "NBSHIP_ATTEMPT": str(number)},
        folder=str(job.project.root),
        log=str(paths[0]),
        outcome=str(paths[1]),
        timeout=job.schedule.timeout,
        grace=grace,
        valid_until=renewed + lease - 2 * grace,
    )
    try:
        # Unbuffered: a line that could not be written must not be written again when the pipe is closed.
        guard = subprocess.Popen([*_GUARD, json.dumps(spec)], stdin=subprocess.PIPE, start_new_session=True, bufsize=0)
    except OSError as error:
        return Outcome("not started", 127, str(error))
    assert guard.stdin is not None
    with guard.stdin:
        while not _ended(guard):
            if stopping.is_set():
                guard.terminate()
                stopping = Event()
            if boot_seconds() - renewed > lease / 6 and not guard.stdin.closed:
                renewed = boot_seconds()  # before: the lease ends no earlier than this and its length
                valid = renew()
                with suppress(BrokenPipeError):
                    if valid is False:
                        guard.stdin.close()
                    elif valid:
                        guard.stdin.write(f"{renewed + lease - 2 * grace}\n".encode())
    return read_outcome(job, scheduled, number) or Outcome("killed", guard.returncode)


def read_outcome(job: Job, scheduled: datetime, number: int) -> Outcome | None:
    """Return how an attempt ended; None if no guard on this machine recorded it."""
    path = _paths(job, scheduled, number)[1]
    with suppress(OSError, ValueError, TypeError):
        return Outcome(**json.loads(path.read_bytes()))
    return None


def _paths(job: Job, scheduled: datetime, number: int) -> tuple[Path, Path]:
    """Return the paths of the output of a run and of the outcome of an attempt."""
    name = time_name(scheduled)
    return job.folder / f"{name}.log", job.folder / f".{name}.{number}.json"


def _ended(guard: subprocess.Popen[bytes]) -> bool:
    try:
        guard.wait(_PAUSE_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True
