"""`nbship monitor alerts`."""

from __future__ import annotations

import getpass
import json
import time
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from ...text import counted
from ..groups import SuggestingGroup
from ..options import text
from .deliveries import deliver, opened_database, test

if TYPE_CHECKING:
    from ...alerting import Alert, Silence
    from ...project import Project

__all__ = ["alerts"]

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@click.group("alerts", cls=SuggestingGroup)
def alerts() -> None:
    """List, acknowledge, silence and send alerts.

    \b
    Example:
        nbship monitor alerts list
    """


alerts.add_command(test)
alerts.add_command(deliver)


@alerts.command("list")
@click.option("--all", "every", is_flag=True, help="Also list resolved alerts.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_alerts(every: bool, as_json: bool) -> None:
    """List the open alerts, silences, and notices that wait for a sink.

    \b
    Example:
        nbship monitor alerts list --json
    """
    from ...alerting import alerts, silences, sink_problems, waiting

    with opened_database() as (project, database), database.transaction() as transaction:
        found = alerts(transaction, include_resolved=every)
        quiet, notices = silences(transaction, time.time()), waiting(transaction)
        problems = sink_problems(transaction)
    if as_json:
        counts = {sink: sum(notice.sink == sink for notice in notices) for sink in sorted({n.sink for n in notices})}
        content = {
            "alerts": [asdict(alert) for alert in found],
            "silences": [asdict(each) for each in quiet],
            "waiting": counts,
            "problems": problems,
        }
        click.echo(json.dumps(content))
        return
    for alert in found:
        click.echo(_line(alert, quiet))
    if not found:
        click.echo("No alerts." if every else "No open alerts.")
    for each in quiet:
        click.echo(f"Silence {each.id} until {_time(each.until, project)}, by {each.created_by}: {each.reason}")
    for sink in sorted({notice.sink for notice in notices}):
        count = counted(sum(notice.sink == sink for notice in notices), "notice")
        unknown = "" if sink in project.settings.alerts.sinks else " It is no longer in nbship.yaml."
        click.echo(f"{count} for sink '{sink}' not sent yet.{unknown} {problems.get(sink, '')}".rstrip())


@alerts.command()
@click.argument("ids", metavar="ID...", type=int, nargs=-1, required=True)
@click.option("--by", type=text, help="Who acknowledges.  [default: the user of this machine]")
@click.option("--reason", type=text, default=None, help="What is being done.")
def ack(ids: tuple[int, ...], by: str | None, reason: str | None) -> None:
    """Acknowledge alerts, so that they are not escalated.

    \b
    Example:
        nbship monitor alerts ack 12 --reason "asked the weather provider"
    """
    from ...alerting import acknowledge

    with opened_database() as (_, database):
        for alert in acknowledge(database, ids, by=by or _user(), reason=reason or ""):
            click.echo(f"Alert {alert.id} acknowledged: {alert.words}")


@alerts.command()
@click.argument("id", metavar="[ID]", type=int, required=False)
@click.option("--section", type=text, help="Alerts of this section of the report, such as drift.")
@click.option("--field", type=text, help="Alerts of this field, slice or measure.")
@click.option("--model", type=text, metavar="NAME", help="Alerts of this model.")
@click.option(
    "--until", type=text, required=True, metavar="END", help="A date, or a time from now such as 8h, 3d or 2w."
)
@click.option("--reason", type=text, required=True, help="Why, for those who wonder later.")
@click.option("--by", type=text, help="Who silences.  [default: the user of this machine]")
def silence(
    id: int | None, section: str | None, field: str | None, model: str | None, until: str, reason: str, by: str | None
) -> None:
    """Send nothing about some alerts until a time.

    Choose them by ID, or by section, field and model. Alerts that are still open when the silence ends are sent
    then. Resolved notices of alerts that were sent before are not silenced.

    \b
    Example:
        nbship monitor alerts silence --field distance --until 3d --reason "the source is being repaired"
    """
    from ...alerting import find_alert
    from ...alerting import silence as add_silence

    if (id is None) == (section is None and field is None and model is None):
        raise click.UsageError("Choose alerts by ID, or by --section, --field and --model.")
    with opened_database() as (project, database):
        chosen = {"model": model or "", "section": section or "", "subject": field or ""}
        if id is not None:
            alert = find_alert(database, id)
            chosen = {"model": alert.model, "section": alert.section, "subject": alert.subject}
        added = add_silence(database, until=_end(until, project), reason=reason, by=by or _user(), **chosen)
        click.echo(f"Silence {added.id} until {_time(added.until, project)}.")


def _line(alert: Alert, silences: list[Silence]) -> str:
    from ...alerting import window_words

    notes: list[Any] = [alert.status] if alert.status != "firing" else []
    if alert.acked_at:
        notes.append(f"acknowledged by {alert.acked_by}{f': {alert.ack_reason}' if alert.ack_reason else ''}")
    if alert.escalated_at and not alert.acked_at:
        notes.append("escalated")
    notes += [f"silence {each.id}" for each in silences if each.covers(alert, time.time())][:1]
    tail = f" ({', '.join(notes)})" if notes else ""
    return (
        f"{alert.id:>4}  {alert.severity:<7}  {alert.words} · {alert.model} · {window_words(alert.last_window)}{tail}"
    )


def _end(value: str, project: Project) -> float:
    try:
        if value[:-1].isdecimal() and value[-1] in _UNITS:
            return (datetime.now(UTC) + timedelta(**{_UNITS[value[-1]]: int(value[:-1])})).timestamp()
        day = date.fromisoformat(value)
    except (ValueError, OverflowError) as error:
        raise click.UsageError(
            f"'{value}' is not an end. Write a date such as 2026-12-24, or a time from now such as 8h, 3d or 2w."
        ) from error
    return datetime(day.year, day.month, day.day, tzinfo=project.timezone).timestamp()


def _time(seconds: float, project: Project) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone(project.timezone):%Y-%m-%d %H:%M}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
