"""`nbship schedule list`."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from .chosen import chosen_jobs

__all__ = ["command"]


@click.command("list")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--last",
    "most",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="Entries of the history to show of each.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")  # fmt: skip
def command(names: tuple[str, ...], most: int, as_json: bool) -> None:
    """Show the next and last runs of each schedule, and why runs were missed.

    \b
    Example:
        nbship schedule list
        nbship schedule list weekly-report --last 20 --json
    """
    from ... import scheduler
    from ...project import load

    project = load()
    jobs, now = chosen_jobs(project, names), datetime.now(UTC)
    found = scheduler.overview(jobs, scheduler.Store(scheduler.open_database(project)), most=most)
    if as_json:
        click.echo(json.dumps(scheduler.as_json(found, now), indent=2))
    else:
        click.echo("\n".join(scheduler.as_lines(found, now)))
