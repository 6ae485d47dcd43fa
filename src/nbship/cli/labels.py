"""`nbship labels`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..text import counted, plural
from .options import csv_options, model_option

if TYPE_CHECKING:
    from ..inference import LabelCounts
    from ..tabular import CsvOptions

__all__ = ["command"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--package", type=click.Path(path_type=Path), help="A package folder or wheel.  [default: the project's]")
@model_option
@csv_options
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def command(file: Path, package: Path | None, model: str | None, as_json: bool, csv: CsvOptions) -> None:
    """Import the labels of past predictions.

    FILE (as of `nbship predict`) has the key columns or the column prediction_id, the column label, and optionally
    the column time: when the label became known. All labels are stored; the latest one counts. Exits with code 1 if
    no label matches a logged prediction.

    \b
    Example:
        nbship labels july_labels.csv
    """
    from ..inference import find_deployment, import_labels
    from ..tabular import Source

    deployment = find_deployment(package, model=model)
    predictor = deployment.load()
    with deployment.open_log(predictor.name) as log:
        counts = import_labels(log, Source(file, csv), signature=predictor.signature)
    if as_json:
        click.echo(json.dumps({**asdict(counts), "unmatched": counts.unmatched}))
    else:
        click.echo("\n".join(_as_text(counts)))
    counts.require_matched()


def _as_text(counts: LabelCounts) -> Iterator[str]:
    yield f"{counted(counts.accepted, 'label')}: {counts.matched:,} {plural(counts.matched, 'matches', 'match')} a logged prediction, {counts.unmatched:,} {plural(counts.unmatched, 'does', 'do')} not"
    if counts.known:
        yield f"{counts.known:,} of them {plural(counts.known, 'was', 'were')} already in the log"
