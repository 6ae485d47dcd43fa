"""Deliver the notices that wait: one message for each sink, again and again until it is accepted.

A notice is marked as delivered after its sink has accepted it. A process that is killed in between has it delivered
twice, and never lost.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..errors import AlertError
from ..project import Project
from .databases import Database, Transaction
from .messages import Message, compose
from .records import Notice, waiting
from .sinks import send
from .updating import update

__all__ = ["Delivery", "deliver", "send_test"]

# For another process that delivers: longer than a message may take.
_WAIT_SECONDS = 120.0
# After a failure a sink is left alone for this time, twice as long after each further failure, up to the longest.
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 30.0, 900.0
_AT_ONCE = 4


@dataclass(frozen=True)
class Delivery:
    """The outcome for one sink: the number of notices, and what prevented their delivery, or None."""

    sink: str
    notices: int
    problem: str | None


def deliver(project: Project, database: Database, *, force: bool = False) -> list[Delivery]:
    """Update the alerts, and send what is due.

    Parameters
    ----------
    force
        Also try sinks that failed recently, and send what waits for other messages.

    Returns
    -------
    list
        The outcome for each sink that was tried.

    Raises
    ------
    AlertError
        If the database cannot be used, or another process delivers for two minutes.
    """
    with database.delivering(_WAIT_SECONDS) as mine:
        if not mine:
            raise AlertError(
                f"Another process has been delivering alerts for {_WAIT_SECONDS:.0f} s. End it if it hangs; the next delivery sends these alerts."
            )
        update(project, database, now=time.time())
        with database.transaction() as transaction:
            due = _due(project, transaction, time.time(), force=force)
        messages = {sink: compose(project.name, notices) for sink, notices in due.items()}
        problems = _send_all(project, messages)
        with database.transaction() as transaction:
            for sink, problem in problems.items():
                _record(transaction, sink, due[sink], problem)
        return [Delivery(sink, len(due[sink]), problem) for sink, problem in problems.items()]


def send_test(project: Project, names: Iterable[str] = ()) -> list[Delivery]:
    """Send a test message to sinks, by default to all; return the outcome of each."""
    message = Message(
        f"{project.name}: test of alerts",
        "This message tests the sinks of `nbship monitor alerts`. No action needed.",
        "resolved",
    )
    sinks = list(names) or list(project.settings.alerts.sinks)
    problems = _send_all(project, dict.fromkeys(sinks, message))
    return [Delivery(sink, 0, problem) for sink, problem in problems.items()]


def _send_all(project: Project, messages: Mapping[str, Message]) -> dict[str, str | None]:
    def sent(sink: str) -> str | None:
        return send(sink, messages[sink], settings=project.settings.alerts, environ=os.environ)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(messages, pool.map(sent, messages), strict=True))


def _due(project: Project, transaction: Transaction, now: float, *, force: bool) -> dict[str, list[Notice]]:
    """Return the notices to send now, by sink: all that wait for it, if the oldest has waited long enough."""
    settings = project.settings.alerts
    not_before = dict(transaction.execute("SELECT sink, next_at FROM nbship_alert_sinks"))
    found: dict[str, list[Notice]] = {}
    for notice in waiting(transaction):
        if notice.sink in settings.sinks and notice.alert.model in project.packages:
            found.setdefault(notice.sink, []).append(notice)
    return {
        sink: notices
        for sink, notices in found.items()
        if force or (now >= not_before.get(sink, 0.0) and now >= notices[0].created_at + settings.group_minutes * 60)
    }


def _record(transaction: Transaction, sink: str, notices: Sequence[Notice], problem: str | None) -> None:
    now = time.time()
    rows = transaction.execute("SELECT failures FROM nbship_alert_sinks WHERE sink = ?", (sink,))
    failures = rows[0][0] if rows else 0
    transaction.execute("DELETE FROM nbship_alert_sinks WHERE sink = ?", (sink,))
    if problem is not None:
        # 2 ** 10 is beyond the longest pause.
        pause = min(_PAUSE_SECONDS * 2 ** min(failures, 10), _LONGEST_PAUSE_SECONDS)
        transaction.execute(
            "INSERT INTO nbship_alert_sinks VALUES (?, ?, ?, ?)", (sink, failures + 1, now + pause, problem)
        )
        return
    for notice in notices:
        transaction.execute(
            "UPDATE nbship_alert_notices SET delivered_at = ? WHERE alert = ? AND sink = ? AND event = ?",
            (now, notice.alert.id, sink, notice.event),
        )
