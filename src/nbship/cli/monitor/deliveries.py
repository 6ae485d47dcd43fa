"""`nbship monitor alerts test` and `deliver`, and the delivery after a report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ...text import counted

if TYPE_CHECKING:
    from ...alerting import Database, Delivery
    from ...project import Project

__all__ = ["deliver", "opened_database", "send_alerts", "test"]

_FOLLOW_SECONDS = 60


@click.command()
@click.argument("sinks", metavar="[SINK]...", nargs=-1)
def test(sinks: tuple[str, ...]) -> None:
    """Send a test message to all sinks, or some, and show each one's outcome.

    Exits with code 1 if a sink did not accept it.

    \b
    Example:
        nbship monitor alerts test
    """
    from ... import project
    from ...alerting import send_test
    from ...text import did_you_mean, listed

    here = project.load()
    known = here.settings.alerts.sinks
    if not known:
        raise click.UsageError(
            "'alerts.sinks' in nbship.yaml names no sinks. Add one, such as 'sinks: {team: TEAM_ALERTS_URL}'."
        )
    for name in sinks:
        if name not in known:
            hint = did_you_mean(name, known, otherwise=f"Sinks: {listed(known)}.")
            raise click.UsageError(f"There is no sink '{name}'. {hint}")
    _finish(send_test(here, sinks))


@click.command()
@click.option("--force", is_flag=True, help="Also try sinks that failed recently, and wait for no other messages.")
@click.option("--follow", is_flag=True, help="Go on until stopped, once a minute.")
def deliver(force: bool, follow: bool) -> None:
    """Make alerts of new reports, escalate, and send what is due.

    Run it every few minutes, or with --follow: a sink that was unavailable is tried again, and escalations
    depend on the time. Exits with code 1 if a sink did not accept its message.

    \b
    Example:
        nbship monitor alerts deliver --follow
    """
    from ...alerting import deliver as deliver_due
    from ...errors import AlertError

    while follow:
        try:
            with opened_database() as (project, database):
                _report(deliver_due(project, database))
        except AlertError as error:
            # A database that is away comes back.
            click.echo(f"Warning: {error}", err=True)
        time.sleep(_FOLLOW_SECONDS)
    with opened_database() as (project, database):
        _finish(deliver_due(project, database, force=force))


def send_alerts(project: Project) -> None:
    """Make alerts of a project's reports and send them, where `alerts` is set; a problem is a sentence, not a failure."""
    from ...errors import AlertError
    from ...project import AlertsSection

    if project.settings.alerts == AlertsSection():
        return
    from ...alerting import deliver as deliver_due
    from ...alerting import open_database

    try:
        database = open_database(project)
        try:
            _report(deliver_due(project, database))
        finally:
            database.close()
    except AlertError as error:
        click.echo(f"Warning: {error}", err=True)


def _finish(deliveries: list[Delivery]) -> None:
    _report(deliveries)
    if any(each.problem for each in deliveries):
        raise SystemExit(1)


def _report(deliveries: list[Delivery]) -> None:
    for each in deliveries:
        if each.problem:
            click.echo(f"Not sent. {each.problem}", err=True)
        else:
            count = f": {counted(each.notices, 'notice')}" if each.notices else ""
            click.echo(f"Sent to '{each.sink}'{count}", err=True)


@contextmanager
def opened_database() -> Iterator[tuple[Project, Database]]:
    """Yield the project of the working directory, and the database of its alerts."""
    from ... import project
    from ...alerting import open_database

    here = project.load()
    database = open_database(here)
    try:
        yield here, database
    finally:
        database.close()
