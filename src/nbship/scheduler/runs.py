"""A run: its attempts, until one succeeds or none is left."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from threading import Event

from ..errors import ScheduleError
from .attempts import Outcome, read_outcome, run_attempt
from .clocks import boot_seconds
from .entries import Claim
from .outputs import last_error, remove_old
from .store import Store

__all__ = ["Run"]

# A run that ends its scheduler each time, by taking all memory for example, is given up.
_MOST_INTERRUPTIONS = 10
_FIRST_PAUSE_SECONDS, _MOST_PAUSE_SECONDS = 10.0, 600.0
_STOP_SECONDS = 10.0


class Run:
    """The run of a claim.

    Parameters
    ----------
    now
        Returns the time.
    stopping
        Is set when the scheduler stops.
    tell
        Called with what happens to the run.
    """

    def __init__(
        self,
        store: Store,
        claim: Claim,
        *,
        now: Callable[[], datetime],
        stopping: Event,
        tell: Callable[[Claim, str], None],
    ) -> None:
        self._store, self._claim, self._now = store, claim, now
        self._stopping, self._tell = stopping, tell

    def complete(self) -> str:
        """Run the job for its scheduled time, and record how that ended.

        An attempt that ended while its scheduler was killed is not repeated. Failed attempts are, after a pause that
        becomes longer each time.

        Returns
        -------
        The recorded state: `succeeded`, `failed` or `interrupted`; `lost` if the lease was lost.
        """
        claim, schedule = self._claim, self._claim.job.schedule
        number, failures, pause = claim.attempts, claim.failures, _FIRST_PAUSE_SECONDS
        outcome = self._earlier_outcome()
        while True:
            if outcome is None:
                if number - failures >= _MOST_INTERRUPTIONS:
                    return self._finish("failed", f"It was interrupted {_MOST_INTERRUPTIONS} times.")
                if self._stopping.is_set():
                    return self._finish("interrupted")
                number += 1
                if (outcome := self._attempt(number)) is None:
                    return "lost"
            if outcome.succeeded or outcome.is_interrupted:
                return self._finish("succeeded" if outcome.succeeded else "interrupted")
            failures += 1
            reason = outcome.reason(schedule.timeout)
            if outcome.why == "exited":
                reason = f"{reason} {last_error(claim.job, claim.scheduled)}".rstrip()
            if outcome.is_final or failures > schedule.retries:
                return self._finish("failed", reason)
            self._tell(claim, f"failed: {reason} It is repeated in {pause:g} s.")
            if not self._store.fail(claim, reason):
                return "lost"
            self._wait(pause)
            outcome, pause = None, min(2 * pause, _MOST_PAUSE_SECONDS)

    def _earlier_outcome(self) -> Outcome | None:
        """Return how the last attempt ended if its scheduler was killed before it recorded that."""
        claim = self._claim
        if claim.recorded >= claim.attempts:
            return None
        found = read_outcome(claim.job, claim.scheduled, claim.attempts)
        return None if found is None or found.is_interrupted else found

    def _attempt(self, number: int) -> Outcome | None:
        """Run the job once; return None if the lease was lost."""
        renewed = boot_seconds()
        if not self._store.begin(self._claim, self._now()):
            return None
        self._tell(self._claim, "started" if number == 1 else f"started again (attempt {number})")
        return run_attempt(
            self._claim.job,
            self._claim.scheduled,
            number=number,
            lease=self._store.lease,
            renewed=renewed,
            renew=self._renew,
            stopping=self._stopping,
        )

    def _finish(self, state: str, reason: str = "") -> str:
        """Record how the run ended. A database that is away is asked again until the lease has ended."""
        began = boot_seconds()
        while True:
            try:
                if not self._store.finish(self._claim, state, reason, self._now()):
                    return "lost"
                break
            except ScheduleError as error:
                patience = _STOP_SECONDS if self._stopping.is_set() else self._store.lease
                if boot_seconds() - began > patience:
                    raise
                self._tell(self._claim, f"ended, which cannot be recorded yet. {error}")
                Event().wait(min(self._store.lease / 6, 5))
        remove_old(self._claim.job)
        self._tell(self._claim, f"{state}: {reason}" if reason else state)
        return state

    def _renew(self) -> bool | None:
        with suppress(ScheduleError):
            return self._store.renew(self._claim)
        return None

    def _wait(self, seconds: float) -> None:
        end = boot_seconds() + seconds
        while (left := end - boot_seconds()) > 0 and not self._stopping.wait(min(left, self._store.lease / 6)):
            self._renew()
