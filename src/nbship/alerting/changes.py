"""What a person does about alerts: acknowledge them, and silence some for a time."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..errors import AlertError
from ..text import listed
from .databases import Database, Transaction
from .records import RESOLVED, Alert, Silence, alerts

__all__ = ["acknowledge", "find_alert", "silence"]


def acknowledge(database: Database, ids: Sequence[int], *, by: str, reason: str = "") -> list[Alert]:
    """Record that a person has seen alerts, so that they are not escalated; return them.

    Raises
    ------
    AlertError
        If there is no open alert with one of the ids; none is acknowledged then.
    """
    with database.transaction() as transaction:
        found = [_find(transaction, id) for id in ids]
        for id in ids:
            transaction.execute(
                "UPDATE nbship_alerts SET acked_at = ?, acked_by = ?, ack_reason = ? WHERE id = ?",
                (time.time(), by, reason, id),
            )
    return found


def find_alert(database: Database, id: int) -> Alert:
    """Return the open alert with this id.

    Raises
    ------
    AlertError
        If there is none.
    """
    with database.transaction() as transaction:
        return _find(transaction, id)


def _find(transaction: Transaction, id: int) -> Alert:
    known = {alert.id: alert for alert in alerts(transaction, include_resolved=True)}
    if id in known and known[id].status != RESOLVED:
        return known[id]
    what = "is resolved already" if id in known else "does not exist"
    opened = [alert.id for alert in known.values() if alert.status != RESOLVED]
    hint = f"Open alerts: {listed(opened)}." if opened else "There is no open alert."
    raise AlertError(f"Alert {id} {what}. {hint}")


def silence(
    database: Database, *, until: float, reason: str, by: str, model: str = "", section: str = "", subject: str = ""
) -> Silence:
    """Send no notices of certain alerts until a time; those that are still open then are announced.

    Parameters
    ----------
    until
        Seconds since 1970.
    model, section, subject
        Empty: every one.

    Raises
    ------
    AlertError
        If the time has passed.
    """
    now = time.time()
    if until <= now:
        raise AlertError("The silence would be over already. Pass a later end with --until.")
    with database.transaction() as transaction:
        ((id,),) = transaction.execute("SELECT coalesce(max(id), 0) + 1 FROM nbship_alert_silences")
        values = (id, now, by, until, reason, model, section, subject)
        transaction.execute("INSERT INTO nbship_alert_silences VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
    return Silence(*values)
