"""`nbship labels`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from .options import model_option

__all__ = ["command"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--package", type=click.Path(path_type=Path), help="A package folder or wheel.  [default: the project's]")
@model_option
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def command(file: Path, package: Path | None, model: str | None, as_json: bool) -> None:
    """Bring in the labels of past predictions.

    FILE (.csv or .parquet) has the key columns of the rows, or the column prediction_id, then label, and
    perhaps time: when it became known. The label told last counts; all are kept.

    \b
    Example:
        nbship labels july_labels.csv
    """
    from ..inference import find_deployment, import_labels

    deployment = find_deployment(package, model=model)
    predictor = deployment.load()
    with deployment.open_log(predictor.name) as log:
        told = import_labels(log, file, signature=predictor.signature)
    if as_json:
        click.echo(json.dumps({**asdict(told), "unmatched": told.unmatched}))
        return
    click.echo(
        f"{told.accepted:,} labels: {told.matched:,} meet a logged prediction, {told.unmatched:,} wait for theirs"
    )
    if told.known:
        click.echo(f"{told.known:,} of them were known already")
