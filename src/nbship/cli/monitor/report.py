"""`nbship monitor`: write the monitoring report of a window."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ...text import counted
from ..groups import SuggestingGroup
from ..options import model_option
from .alerts import alerts
from .deliveries import send_alerts
from .export import export

if TYPE_CHECKING:
    from pathlib import Path

    from ...operations import Monitored
    from ...project import Project

__all__ = ["command"]

_MARKS = {"ok": "ok  ", "notice": "note", "insufficient": "…   ", "warning": "warn", "alert": "ALRT"}
_SHOWN = 10


@click.group("monitor", cls=SuggestingGroup, invoke_without_command=True)
@click.option("--from", "first", metavar="DATE", help="First day of the window, in the project's time zone.")
@click.option("--to", "last", metavar="DATE", help="First day after the window.")
@click.option(
    "--backfill",
    "length",
    type=click.Choice(["day", "week", "month"]),
    help="Write the reports of all whole days, weeks (from Monday) or months from --from to --to.",
)
@model_option
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Notebooks that run at a time; the number of CPUs by default.",
)
@click.option("--force", is_flag=True, help="Write the report again even if it is current.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
def command(
    context: click.Context,
    first: str | None,
    last: str | None,
    length: str | None,
    model: str | None,
    jobs: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write the monitoring report of a window of time.

    Three notebooks show the data and their drift, performance on labelled rows and slices, and the health
    of the service. They are written with pages, figures and report.json to
    .nbship/state/monitoring/<from>_<to>/, where report.html is the cover page; index.html beside the windows
    lists all of them. Without dates, the window is the last whole month of logged events up to today. A
    current report is not written again. Findings become alerts, if 'alerts' in nbship.yaml names sinks or
    rules.

    \b
    Example:
        nbship monitor --from 2013-07-01 --to 2013-08-01
    """
    if context.invoked_subcommand is not None:
        if first is not None or last is not None or length is not None or force or as_json:
            raise click.UsageError(f"Options of '{context.command_path}' come after '{context.invoked_subcommand}'.")
        return
    if (first is None) != (last is None):
        raise click.UsageError("Give both --from and --to, or neither, for the last whole month.")
    if length is not None and (first is None or last is None or as_json):
        raise click.UsageError(
            "--backfill needs --from and --to, and prints no JSON: read the report.json of each window."
        )
    from ... import project
    from ...errors import CellError, DeadKernelError
    from ...notebook import canonical_json
    from ...operations import choose_window, monitor

    here = project.load(model=model)
    if length is not None:
        _backfill(here, str(first), str(last), length, force=force, jobs=jobs)
        return
    window = choose_window(here, first, last, on_later=lambda sentence: click.echo(sentence, err=True))
    click.echo(f"Monitoring {window.first} to {window.last} ({window.zone.key})", err=True)
    try:
        written = monitor(here, window, force=force, jobs=jobs, on_step=_step)
    except (CellError, DeadKernelError):
        # A notebook failed; what was computed counts.
        _publish(here)
        raise
    if written.current:
        click.echo("The report is current; its inputs have not changed.", err=True)
    _publish(here)
    if as_json:
        click.echo(canonical_json(written.report), nl=False)
    else:
        _print(written)


def _publish(project: Project) -> Path:
    """Write the index and the gauges, and send alerts; return the path of the index."""
    from ...operations import write_index

    page = write_index(project)
    _write_gauges(project)
    send_alerts(project)
    return page


def _backfill(project: Project, first: str, last: str, length: str, *, force: bool, jobs: int | None) -> None:
    """Write the reports of past windows, the oldest first, as later ones are compared with them."""
    from ...errors import NbshipError
    from ...monitoring import Window, parse_window, whole_windows
    from ...operations import monitor_windows

    windows = whole_windows(parse_window(first, last, zone=project.timezone), length)
    if not windows:
        raise click.UsageError(f"There is no whole {length} from {first} to {last}. Choose other dates.")
    failed = []

    def show(window: Window, done: Monitored | NbshipError) -> None:
        if isinstance(done, NbshipError):
            failed.append(window)
            mark, words = "fail", str(done)
        else:
            mark, words = _MARKS.get(done.report["verdict"], "    "), done.report["headline"]
        click.echo(f"  {mark}  {window.first} to {window.last}: {words}")

    monitor_windows(project, windows, force=force, jobs=jobs, on_done=show)
    page = _publish(project)
    click.echo(f"{len(windows) - len(failed)} of {counted(len(windows), 'report')}. Index: {page}")
    if failed:
        raise SystemExit(1)


command.add_command(alerts)
command.add_command(export)


def _write_gauges(project: Project) -> None:
    from ...alerting import write_gauges
    from ...errors import FileLockError

    try:
        write_gauges(project)
    except (OSError, FileLockError) as error:
        click.echo(f"Warning: the gauges for Prometheus cannot be written: {error}", err=True)


def _step(name: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"  {name}", err=True)


def _print(written: Monitored) -> None:
    report = written.report
    click.echo(f"{report['headline']}\n{report['advice']}\n")
    for one in report["reasons"][:_SHOWN]:
        click.echo(f"  {_MARKS[one['verdict']]}  {one['reason']}")
    if len(report["reasons"]) > _SHOWN:
        click.echo(f"  and {len(report['reasons']) - _SHOWN} more in the report")
    click.echo(f"Verdict: {report['verdict']}. Report: {written.folder / 'report.html'}")
