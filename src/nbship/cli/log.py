"""`nbship log`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from .options import model_option

if TYPE_CHECKING:
    from ..inference import Deployment

__all__ = ["command"]


@click.group()
def command() -> None:
    """Export the prediction log, forget a person, prune what is old.

    \b
    Example:
        nbship log export july.parquet --from 2013-07-01 --to 2013-08-01
    """


def _shared(function: Callable[..., Any]) -> Callable[..., Any]:
    package = click.option(
        "--package", type=click.Path(path_type=Path), help="A package folder or wheel.  [default: the project's]"
    )
    return package(
        model_option(click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(function))
    )


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--from", "first", metavar="DATE", help="First day on which it was answered.")
@click.option("--to", "last", metavar="DATE", help="The day after the last one.")
@_shared
def export(
    file: Path, first: str | None, last: str | None, package: Path | None, model: str | None, as_json: bool
) -> None:
    """Write predictions, refusals and their labels to FILE (.parquet).

    Inputs and outputs are JSON texts; personal inputs are pseudonyms, as they are in the log.

    \b
    Example:
        nbship log export july.parquet --from 2013-07-01 --to 2013-08-01
    """
    from ..inference import find_deployment
    from ..prediction_log import export_records

    deployment = find_deployment(package, model=model)
    with deployment.open_log(model) as log:
        count = export_records(log, file, start=_day(first, deployment), end=_day(last, deployment))
    click.echo(json.dumps({"records": count, "output": str(file)}) if as_json else f"{count:,} records: '{file}'")


@command.command()
@click.option("--field", required=True, help="The input that says who it is about.")
@click.option("--value", required=True, help="Its value.")
@_shared
def forget(field: str, value: str, package: Path | None, model: str | None, as_json: bool) -> None:
    """Delete every record about one subject, and its labels.

    Files that `nbship predict` wrote are yours to delete: the log holds only their digests.

    \b
    Example:
        nbship log forget --field customer --value 4711
    """
    from ..inference import find_deployment
    from ..prediction_log import forget_subject

    deployment = find_deployment(package, model=model)
    signature = deployment.load().signature
    with deployment.open_log(model) as log:
        count = forget_subject(log, signature, {field: value})
    click.echo(json.dumps({"forgotten": count}) if as_json else f"{count:,} records forgotten")


@command.command()
@click.option("--before", metavar="DATE", help="Keep this day and later ones.  [default: log.retention_days ago]")
@_shared
def prune(before: str | None, package: Path | None, model: str | None, as_json: bool) -> None:
    """Delete predictions, batch runs and labels that are older than a day.

    \b
    Example:
        nbship log prune --before 2013-01-01
    """
    from ..inference import find_deployment

    deployment = find_deployment(package, model=model)
    days = deployment.settings.log.retention_days
    moment = _day(before, deployment)
    if moment is None:
        if not days:
            raise click.UsageError("Say --before DATE, or set 'log.retention_days' in nbship.yaml.")
        moment = datetime.now(UTC) - timedelta(days=days)
    with deployment.open_log(model) as log:
        count = log.prune(moment)
    click.echo(json.dumps({"deleted": count}) if as_json else f"{count:,} entries deleted")


def _day(text: str | None, deployment: Deployment) -> datetime | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"'{text}' is not a date. Write it as 2013-07-01.") from error
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(deployment.settings.project.timezone))
