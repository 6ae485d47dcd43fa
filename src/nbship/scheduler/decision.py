"""Which run comes next, and which were missed and why: a function of the clock and of what the database knows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal
from zoneinfo import ZoneInfo

from .times import Times

__all__ = ["LATE", "Decision", "Missed", "Past", "Unfinished", "decide", "decide_following"]

# A run without catching up starts at most this late. Hosts that look once a minute need some of it.
LATE = timedelta(seconds=120)


@dataclass(frozen=True)
class Unfinished:
    """A run that was started and whose end is not recorded."""

    scheduled: datetime
    started: datetime


@dataclass(frozen=True)
class Past:
    """What the database knows of a job that is not running.

    Attributes
    ----------
    decided
        The last instant for which it was decided what runs.
    looked
        When a scheduler last looked for due runs.
    unfinished
        The run that was interrupted, if there is one.
    busy
        When the last run started and ended.
    taken
        The scheduled times after `decided` that have a run already, as after the clock was an hour ahead.
    """

    decided: datetime
    looked: datetime
    unfinished: Unfinished | None = None
    busy: tuple[datetime, datetime] | None = None
    taken: Collection[datetime] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Missed:
    """Scheduled times in a row that were missed for the same reason."""

    first: datetime
    last: datetime
    count: int
    reason: str


@dataclass(frozen=True)
class Decision:
    """What happens now.

    Attributes
    ----------
    run
        The scheduled time of the run to start, or to repeat if it is that of the unfinished run; None if none is due.
    abandoned
        Why the unfinished run is not repeated; empty if it is, or if there is none.
    decided
        The last instant for which it is decided now what runs.
    """

    run: datetime | None
    missed: Sequence[Missed]
    abandoned: str
    decided: datetime


def decide(
    times: Times, past: Past, now: datetime, *, catch_up: Literal["latest", "all", "none"], zone: ZoneInfo
) -> Decision:
    """Decide what a job that is not running does now.

    With `all`, every scheduled time is run, in order. With `latest`, only the last of those due is. With `none`, it is run
    only if it has been due for less than two minutes.

    Examples
    --------
    >>> from datetime import UTC
    >>> six, eight = (datetime(2026, 1, 5, hour, tzinfo=UTC) for hour in (6, 8))
    >>> decided = decide(Times("30 * * * *", ZoneInfo("UTC")), Past(six, six), eight, catch_up="latest", zone=ZoneInfo("UTC"))
    >>> decided.run.isoformat(), decided.missed[0].reason
    ('2026-01-05T07:30:00+00:00', 'The scheduler was not running from 2026-01-05 06:00 to 2026-01-05 08:00.')
    """
    coming = (each for each in times.between(past.decided, now) if each not in past.taken)
    unfinished = past.unfinished
    if catch_up == "all":
        run = unfinished.scheduled if unfinished else next(coming, None)
        decided = past.decided if unfinished or run is None else run
        return Decision(run, (), "", decided)
    due = list(coming)
    latest = due[-1] if due and (catch_up == "latest" or now - due[-1] <= LATE) else None
    missed = due if latest is None else due[:-1]
    reasons = [(each, _reason(each, past, now, zone)) for each in missed]
    if latest is None and unfinished and catch_up == "latest":
        return Decision(unfinished.scheduled, (), "", past.decided)
    abandoned = "The scheduler was stopped or killed during this run" if unfinished else ""
    if abandoned:
        abandoned += f"; the run of {_shown(latest, zone)} took its place." if latest else ", and it is not caught up."
    return Decision(latest, list(_grouped(reasons)), abandoned, due[-1] if due else past.decided)


def decide_following(
    succeeded: Sequence[datetime], past: Past, *, catch_up: Literal["latest", "all", "none"]
) -> Decision:
    """Decide what a job that runs after another one does now.

    Parameters
    ----------
    succeeded
        The scheduled times for which the other one has succeeded, and for which this one has no run.

    Examples
    --------
    >>> from datetime import UTC
    >>> six, seven = (datetime(2026, 1, 5, hour, tzinfo=UTC) for hour in (6, 7))
    >>> decided = decide_following([six, seven], Past(six, six), catch_up="latest")
    >>> decided.run == seven, decided.missed[0].last == six
    (True, True)
    """
    due, unfinished = sorted(succeeded), past.unfinished
    if unfinished and (catch_up == "all" or not due):
        return Decision(unfinished.scheduled, (), "", past.decided)
    if catch_up == "all":
        return Decision(next(iter(due), None), (), "", past.decided)
    abandoned = "The scheduler was stopped or killed during this run; a later run took its place." if unfinished else ""
    missed = [Missed(each, each, 1, "A later run took its place.") for each in due[:-1]]
    return Decision(due[-1] if due else None, missed, abandoned, past.decided)


def _reason(scheduled: datetime, past: Past, now: datetime, zone: ZoneInfo) -> str:
    if past.busy and past.busy[0] <= scheduled < past.busy[1]:
        return "The run before was still running."
    if past.looked < scheduled:
        return f"The scheduler was not running from {_shown(past.looked, zone)} to {_shown(now, zone)}."
    return "The scheduler was late."


def _grouped(reasons: Sequence[tuple[datetime, str]]) -> Iterator[Missed]:
    for reason, group in groupby(reasons, key=lambda each: each[1]):
        found = [scheduled for scheduled, _ in group]
        yield Missed(found[0], found[-1], len(found), reason)


def _shown(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}"
