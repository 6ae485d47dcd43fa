"""What the database of schedules holds: claims, and the entries of the history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .jobs import Job

__all__ = ["COLUMNS", "Claim", "Entry", "Status", "entry_of", "instant_of", "seconds_of"]

COLUMNS = "scheduled, state, first, count, attempts, failures, recorded, started, ended, reason"


@dataclass(frozen=True)
class Claim:
    """The right to run a job, for one scheduled time, until the lease ends.

    Attributes
    ----------
    token
        The number of this claim; each has a higher one.
    attempts, failures
        The number of attempts that were started before, and of those that failed.
    recorded
        The number of the last attempt whose end is recorded.
    """

    job: Job
    scheduled: datetime
    token: int
    attempts: int = 0
    failures: int = 0
    recorded: int = 0


@dataclass(frozen=True)
class Entry:
    """A line of the history: a run, or scheduled times that were missed.

    Attributes
    ----------
    state
        `running`, `interrupted`, `succeeded`, `failed`, `missed` or `abandoned`.
    first, count
        The first of the missed times, and their number; `scheduled` is the last one.
    """

    scheduled: datetime
    state: str
    first: datetime
    count: int
    attempts: int
    failures: int
    recorded: int
    started: datetime | None
    ended: datetime | None
    reason: str


@dataclass(frozen=True)
class Status:
    """What the database knows of a schedule now.

    Attributes
    ----------
    holder
        The process that runs the job now; empty if none does.
    """

    looked: datetime
    holder: str
    entries: Sequence[Entry]


def entry_of(row: Sequence[Any]) -> Entry:
    scheduled, state, first, count, attempts, failures, recorded, started, ended, reason = row
    return Entry(
        instant_of(scheduled), state, instant_of(first), count, attempts, failures, recorded,
        None if started is None else instant_of(started), None if ended is None else instant_of(ended), reason,
    )  # fmt: skip


def seconds_of(instant: datetime) -> int:
    return int(instant.timestamp())


def instant_of(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
