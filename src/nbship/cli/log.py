"""`nbship log`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from ..text import counted
from .groups import SuggestingGroup
from .options import model_option

if TYPE_CHECKING:
    from ..inference import Deployment

__all__ = ["command"]


@click.group(cls=SuggestingGroup)
def command() -> None:
    """Export the prediction log, forget a person, prune old records.

    \b
    Example:
        nbship log export july.parquet --from 2013-07-01 --to 2013-08-01
    """


def _common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    package = click.option(
        "--package", type=click.Path(path_type=Path), help="A package folder or wheel.  [default: the project's]"
    )
    return package(
        model_option(click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(function))
    )


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--from", "first", metavar="DATE", help="First day, by time of prediction.")
@click.option("--to", "last", metavar="DATE", help="Day after the last day.")
@_common_options
def export(
    file: Path, first: str | None, last: str | None, package: Path | None, model: str | None, as_json: bool
) -> None:
    """Write predictions, rejected requests and labels to FILE (.parquet).

    Inputs and outputs are JSON strings; personal inputs are pseudonyms, as in the log. Without --model,
    the records of all models are exported.

    \b
    Example:
        nbship log export july.parquet --from 2013-07-01 --to 2013-08-01
    """
    from ..inference import find_deployment
    from ..prediction_log import export_records

    deployment = find_deployment(package, model=model)
    with deployment.open_log(model) as log:
        count = export_records(log, file, start=_day(first, deployment), end=_day(last, deployment))
    click.echo(
        json.dumps({"records": count, "output": str(file)})
        if as_json
        else f"{counted(count, 'record')} exported to '{file}'"
    )


@command.command()
@click.option("--field", required=True, help="The input that identifies the person.")
@click.option("--value", required=True, help="The value of that input.")
@_common_options
def forget(field: str, value: str, package: Path | None, model: str | None, as_json: bool) -> None:
    """Delete all records of a person, and their labels.

    Values are compared as numbers, timestamps and strings: 4711 also finds 4711.0. A rejected request is deleted
    if one of its rows has the value. Without --model, the records of all models that have this input are
    deleted. Rows of query results that nbship keeps are deleted too; delete the files that 'nbship predict'
    wrote yourself.

    \b
    Example:
        nbship log forget --field customer --value 4711
    """
    from ..inference import find_deployment, forget_person

    deployments = find_deployment(package, model=model).each_model()
    signatures = {predictor.name: predictor.signature for predictor in (each.load() for each in deployments)}
    having = {name: signature for name, signature in signatures.items() if field in signature.names}
    count = 0
    with deployments[0].open_log(model) as log:
        # If no model has the field, the first signature raises the error.
        for name, signature in (having or signatures).items():
            view = log if len(signatures) == 1 else log.of_model(name)
            count += forget_person(view, signature, {field: value}, state=deployments[0].state)
    if any(signature[field].pii == "drop" for signature in having.values()):
        click.echo(f"The log does not store '{field}' (pii: drop). Pass another field to find more records.", err=True)
    click.echo(json.dumps({"forgotten": count}) if as_json else f"{counted(count, 'record')} deleted")


@command.command()
@click.option("--before", metavar="DATE", help="The first day to keep.  [default: log.retention_days ago]")
@_common_options
def prune(before: str | None, package: Path | None, model: str | None, as_json: bool) -> None:
    """Delete predictions, batch runs and labels from before a day.

    Without --model, the entries of all models are deleted.

    \b
    Example:
        nbship log prune --before 2013-01-01
    """
    from ..inference import find_deployment, prune_before

    deployment = find_deployment(package, model=model)
    days = deployment.settings.log.retention_days
    start = _day(before, deployment)
    if start is None:
        if not days:
            raise click.UsageError("Pass --before DATE, or set 'log.retention_days' in nbship.yaml.")
        start = datetime.now(UTC) - timedelta(days=days)
    with deployment.open_log(model) as log:
        count = prune_before(log, start, state=deployment.state)
    click.echo(json.dumps({"deleted": count}) if as_json else f"{counted(count, 'entry', 'entries')} deleted")


def _day(text: str | None, deployment: Deployment) -> datetime | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"'{text}' is not a date. Write it as YYYY-MM-DD.") from error
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(deployment.settings.project.timezone))
