"""The service that runs schedules: it looks what is due, runs each job in a thread, and stops with all of them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import Event, Thread

from ..errors import ScheduleError
from .entries import Claim, Entry
from .jobs import Job
from .runs import Run
from .store import Store

__all__ = ["Service"]

_LOOK_SECONDS = 20.0


class Service:
    """Runs the schedules of a project. Several may run, on several machines: each run is claimed by one.

    Parameters
    ----------
    tell
        Called with a sentence about each start and end.
    now
        Returns the time; for tests.
    pause
        The longest time between two looks, in seconds.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        store: Store,
        *,
        tell: Callable[[str], None] = lambda _: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: float = _LOOK_SECONDS,
    ) -> None:
        self._most_pause = pause
        self._jobs, self._store, self._tell, self._now = jobs, store, tell, now
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._stopping, self._woken = Event(), Event()
        self._threads: list[Thread] = []
        self._problem = ""
        self.failed: list[Claim] = []

    def stop(self) -> None:
        """Stop the running jobs, and return from `serve`; a signal handler may call it."""
        self._stopping.set()
        self._woken.set()

    def serve(self) -> None:
        """Run what is due until `stop` is called."""
        while not self._stopping.is_set():
            self._woken.clear()
            self.look()
            self._woken.wait(self._pause())
        for thread in self._threads:
            thread.join()

    def once(self) -> None:
        """Run what is due now, and what becomes due meanwhile, and return when it has ended."""
        while not self._stopping.is_set() and self.look(lenient=True):
            for thread in self._threads:
                thread.join()

    def run_at(self, job: Job, scheduled: datetime) -> None:
        """Run a job for a scheduled time, unless that has been done.

        Raises
        ------
        ScheduleError
            If the job is running.
        """
        claim = self._store.claim_at(job, scheduled, self._now(), holder=self._holder)
        if claim is None:
            raise ScheduleError(
                f"The schedule '{job.name}' is running. Try again when it has ended: `nbship schedule list`."
            )
        if isinstance(claim, Entry):
            self._told(Claim(job, scheduled, 0), f"has already {claim.state}. It is not run again.")
        else:
            self.start(claim).join()

    def look(self, *, lenient: bool = False) -> int:
        """Start what is due now; return the number of runs started."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        count = 0
        for job in self._jobs:
            try:
                claim = self._store.claim(job, self._now(), holder=self._holder, lenient=lenient)
                self._problem = ""
            except ScheduleError as error:
                self._report(str(error))
                if lenient:
                    raise
                continue
            if claim:
                count += 1
                self.start(claim)
        return count

    def start(self, claim: Claim) -> Thread:
        """Run a claim in a thread."""
        thread = Thread(target=self._run, args=(claim,), name=f"nbship-{claim.job.name}")
        self._threads.append(thread)
        thread.start()
        return thread

    def _run(self, claim: Claim) -> None:
        try:
            state = Run(self._store, claim, now=self._now, stopping=self._stopping, tell=self._told).complete()
            if state == "lost":
                self._told(claim, "ended, but another scheduler had taken over.")
            if state in ("failed", "lost"):
                self.failed.append(claim)
        except ScheduleError as error:
            self.failed.append(claim)
            self._report(str(error))
        finally:
            self._woken.set()  # the next run of this job may be due

    def _pause(self) -> float:
        """Return the seconds until the next look: the clock may be set before the next time, and other schedulers may end."""
        now = self._now()
        coming = (job.times.after(now) for job in self._jobs)
        return max(0.1, min([self._most_pause, *((each - now).total_seconds() for each in coming if each)]))

    def _told(self, claim: Claim, what: str) -> None:
        local = claim.scheduled.astimezone(claim.job.zone)
        self._tell(f"{claim.job.name} of {local:%Y-%m-%d %H:%M}: {what}")

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            self._tell(problem)
