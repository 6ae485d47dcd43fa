"""`nbship predict`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..inference import BatchSummary

__all__ = ["command"]


@click.command()
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.argument("target", metavar="[OUTPUT]", required=False, type=click.Path(path_type=Path))
@click.option("--package", type=click.Path(path_type=Path), help="A package folder or wheel.  [default: the project's]")
@click.option("--ignore-extra", is_flag=True, help="Pass over columns that the model does not know.")
@click.option(
    "--other-versions", is_flag=True, help="Take a package made with other versions, if its golden rows say so."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(
    source: Path, target: Path | None, package: Path | None, ignore_extra: bool, other_versions: bool, as_json: bool
) -> None:
    """Score a CSV or Parquet file.

    OUTPUT (.csv or .parquet; by default beside the input, as <name>_predictions) gets the key columns,
    a prediction id and the prediction of each row. It appears complete or not at all. Rows that cannot
    be scored go to <OUTPUT>.rejected.csv, with the reasons.

    \b
    Example:
        nbship predict july.csv july_scored.csv
    """
    from ..inference import find_place, predict_file

    place = find_place(package)
    target = target or source.with_name(f"{source.stem}_predictions{source.suffix}")
    predictor = place.load(other_versions=other_versions)
    with place.open_log() as log:
        summary = predict_file(
            predictor, log, source=source, target=target, ignore_extra=ignore_extra, progress=_progress(as_json)
        )
    click.echo(json.dumps(_content(summary)) if as_json else _words(summary, target))


def _progress(quiet: bool):  # type: ignore[no-untyped-def]
    live = sys.stderr.isatty() and not quiet

    def show(rows: int) -> None:
        if live:
            click.echo(f"\r{rows:,} rows …", nl=False, err=True)

    return show


def _words(summary: BatchSummary, target: Path) -> str:
    run = summary.run
    if summary.repeated:
        return (
            f"'{target}' is complete already: {run.rows:,} rows of this input, by version {run.version}. Nothing to do."
        )
    start = "\r" if sys.stderr.isatty() else ""
    lines = [f"{start}{run.rows:,} rows predicted by {run.model} {run.version} in {run.seconds:.1f} s: '{target}'"]
    if summary.rejected_path is not None:
        lines.append(f"{run.rejected:,} rows could not be: '{summary.rejected_path}' says why")
    return "\n".join(lines)


def _content(summary: BatchSummary) -> dict[str, object]:
    run = summary.run
    rejected = None if summary.rejected_path is None else str(summary.rejected_path.absolute())
    return {
        "id": run.id, "model": run.model, "version": run.version, "rows": run.rows, "rejected": run.rejected,
        "seconds": run.seconds, "output": run.output_path, "rejected_output": rejected, "repeated": summary.repeated,
    }  # fmt: skip
