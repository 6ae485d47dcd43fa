"""`nbship monitor`: write the monitoring report of a window."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ..groups import SuggestingGroup
from ..options import model_option
from .alerts import alerts
from .deliveries import send_alerts
from .export import export

if TYPE_CHECKING:
    from ...operations import Monitored
    from ...project import Project

__all__ = ["command"]

_MARKS = {"ok": "ok  ", "notice": "note", "insufficient": "…   ", "warning": "warn", "alert": "ALRT"}
_SHOWN = 10


@click.group("monitor", cls=SuggestingGroup, invoke_without_command=True)
@click.option("--from", "first", metavar="DATE", help="First day of the window, in the project's time zone.")
@click.option("--to", "last", metavar="DATE", help="First day after the window.")
@model_option
@click.option("--force", is_flag=True, help="Write the report again even if it is current.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
def command(
    context: click.Context, first: str | None, last: str | None, model: str | None, force: bool, as_json: bool
) -> None:
    """Write the monitoring report of a window of time.

    The monitoring notebook reports volume, drift of inputs and predictions, performance on labelled rows,
    slices, and the trend over earlier windows. The report is written as notebook, HTML and JSON to
    .nbship/state/monitoring/<from>_<to>/. Without dates, the window is the last whole month of logged
    events up to today. A current report is not written again. Its findings become alerts, if 'alerts' in
    nbship.yaml names sinks or rules.

    \b
    Example:
        nbship monitor --from 2013-07-01 --to 2013-08-01
    """
    if context.invoked_subcommand is not None:
        if first is not None or last is not None or force or as_json:
            raise click.UsageError(f"Options of '{context.command_path}' come after '{context.invoked_subcommand}'.")
        return
    if (first is None) != (last is None):
        raise click.UsageError("Give both --from and --to, or neither, for the last whole month.")
    from ... import project
    from ...notebook import canonical_json
    from ...operations import choose_window, monitor

    here = project.load(model=model)
    window = choose_window(here, first, last, on_later=lambda sentence: click.echo(sentence, err=True))
    click.echo(f"Monitoring {window.first} to {window.last} ({window.zone.key})", err=True)
    written = monitor(here, window, force=force, on_cell=_progress if sys.stderr.isatty() else None)
    if written.current:
        click.echo("The report is current; its inputs have not changed.", err=True)
    _write_gauges(here)
    send_alerts(here)
    if as_json:
        click.echo(canonical_json(written.report), nl=False)
    else:
        _print(written)


command.add_command(alerts)
command.add_command(export)


def _write_gauges(project: Project) -> None:
    from ...alerting import write_gauges
    from ...errors import FileLockError

    try:
        write_gauges(project)
    except (OSError, FileLockError) as error:
        click.echo(f"Warning: the gauges for Prometheus cannot be written: {error}", err=True)


def _progress(cell: int, cells: int) -> None:
    click.echo(f"\r  cell {cell} of {cells}", err=True, nl=cell == cells)


def _print(written: Monitored) -> None:
    report = written.report
    click.echo(f"{report['headline']}\n{report['advice']}\n")
    for one in report["reasons"][:_SHOWN]:
        click.echo(f"  {_MARKS[one['verdict']]}  {one['reason']}")
    if len(report["reasons"]) > _SHOWN:
        click.echo(f"  and {len(report['reasons']) - _SHOWN} more in the report")
    click.echo(f"Verdict: {report['verdict']}. Report: {written.folder / 'report.html'}")
