"""What the database holds about alerts: the alerts themselves, silences, and notices that wait for their sinks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .databases import Transaction

__all__ = [
    "FIRING",
    "PENDING",
    "RESOLVED",
    "Alert",
    "Notice",
    "Silence",
    "alerts",
    "silences",
    "sink_problems",
    "waiting",
]

# Found, but no sink was to hear of it yet; announced; over.
PENDING, FIRING, RESOLVED = "pending", "firing", "resolved"
_ALERT = (
    "id, model, length, section, subject, severity, words, first_window, last_window, link, status, opened_at, fired_at, "
    "resolved_at, acked_at, acked_by, ack_reason, escalated_at"
)


@dataclass(frozen=True)
class Alert:
    """An alert. Times are seconds since 1970, windows are `<from>_<to>`.

    Attributes
    ----------
    length
        The length of its windows, such as `week`.
    section, subject
        The section of the report, and the field, measure or slice.
    first_window, last_window
        The windows in which it was found first and last, in a row.
    link
        Where the report shows why.
    """

    id: int
    model: str
    length: str
    section: str
    subject: str
    severity: str
    words: str
    first_window: str
    last_window: str
    link: str
    status: str
    opened_at: float
    fired_at: float | None
    resolved_at: float | None
    acked_at: float | None
    acked_by: str | None
    ack_reason: str | None
    escalated_at: float | None


@dataclass(frozen=True)
class Silence:
    """No notices of certain alerts until a time. Empty: every model, section, subject."""

    id: int
    created_at: float
    created_by: str
    until: float
    reason: str
    model: str
    section: str
    subject: str

    def covers(self, alert: Alert, now: float) -> bool:
        """Return whether it silences an alert at a time."""
        return (
            now < self.until
            and self.model in ("", alert.model)
            and self.section in ("", alert.section)
            and self.subject in ("", alert.subject)
        )


@dataclass(frozen=True)
class Notice:
    """An event of an alert that a sink has to hear of: `new`, `worse`, `escalated` or `resolved`."""

    alert: Alert
    sink: str
    event: str
    created_at: float


def alerts(transaction: Transaction, *, include_resolved: bool = False) -> list[Alert]:
    """Return the alerts, oldest first."""
    where = "" if include_resolved else f" WHERE status <> '{RESOLVED}'"
    return [Alert(*row) for row in transaction.execute(f"SELECT {_ALERT} FROM nbship_alerts{where} ORDER BY id")]


def silences(transaction: Transaction, now: float) -> list[Silence]:
    """Return the silences that have not ended."""
    rows: list[tuple[Any, ...]] = transaction.execute(
        "SELECT id, created_at, created_by, until, reason, model, section, subject FROM nbship_alert_silences WHERE until > ? ORDER BY id",
        (now,),
    )
    return [Silence(*row) for row in rows]


def waiting(transaction: Transaction) -> list[Notice]:
    """Return the notices that no sink has accepted yet, oldest first."""
    known = {alert.id: alert for alert in alerts(transaction, include_resolved=True)}
    rows = transaction.execute(
        "SELECT alert, sink, event, created_at FROM nbship_alert_notices WHERE delivered_at IS NULL ORDER BY created_at, alert"
    )
    return [Notice(known[alert], sink, event, at) for alert, sink, event, at in rows]


def sink_problems(transaction: Transaction) -> dict[str, str]:
    """Return a sentence for each sink that did not accept its last message."""
    return dict(transaction.execute("SELECT sink, problem FROM nbship_alert_sinks ORDER BY sink"))
