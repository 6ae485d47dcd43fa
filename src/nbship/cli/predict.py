"""`nbship predict`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import model_option

if TYPE_CHECKING:
    from ..inference import BatchSummary

__all__ = ["command"]


@click.command()
@click.argument("source")
@click.argument("output", required=False)
@click.option("--package", type=click.Path(path_type=Path), help="A package folder or wheel.  [default: the project's]")
@model_option
@click.option("--query", help="What to read, where SOURCE is the URL of a database.")
@click.option("--table", help="The table to write, where OUTPUT is the URL of a database.")
@click.option("--ignore-extra", is_flag=True, help="Pass over columns that the model does not know.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--other-versions", is_flag=True, help="Take a package made with other versions, if its golden rows say so."
)
def command(
    source: str, output: str | None, package: Path | None, model: str | None, query: str | None, table: str | None, ignore_extra: bool,
    as_json: bool, other_versions: bool,
) -> None:  # fmt: skip
    """Score a CSV, JSON lines or Parquet file, or what a database gives.

    OUTPUT (.csv, .jsonl or .parquet; by default beside the input, as <name>_predictions) gets the key columns,
    a prediction id and the prediction of each row. It appears complete or not at all; a run that was stopped
    goes on where it was. Rows that cannot be scored go to <OUTPUT>.rejected.csv, with the reasons.
    Databases are named as SQLAlchemy does (postgresql+psycopg://user@host/shop).

    \b
    Example:
        nbship predict july.csv july_scored.csv
        nbship predict sqlite:///shop.db out.parquet --query 'SELECT * FROM orders ORDER BY id'
    """
    from ..inference import find_deployment, is_database_url, load_table, predict_file, save_query

    deployment = find_deployment(package, model=model)
    if is_database_url(source) != (query is not None):
        raise click.UsageError("Say --query with the URL of a database, and only with one.")
    loads = output is not None and is_database_url(output)
    if loads != (table is not None):
        raise click.UsageError("Say --table with the URL of a database as OUTPUT, and only with one.")
    predictor = deployment.load(other_versions=other_versions)
    target = _target(source, output, table=table, folder=deployment.state / "batches")
    read = Path(source)
    if query is not None:
        # What was read stays: a replay of the run's predictions reads it again.
        read = target.with_name(f"{target.name}.input.parquet")
        save_query(source, query, read, signature=predictor.signature)
    with deployment.open_log() as log, _progress(read, quiet=as_json) as progress:
        summary = predict_file(predictor, log, source=read, target=target, ignore_extra=ignore_extra, progress=progress)
    if loads and output is not None and table is not None:
        load_table(target, output, table, run=summary.run.id)
    click.echo(json.dumps(_content(summary)) if as_json else _words(summary, table or str(target)))


def _target(source: str, output: str | None, *, table: str | None, folder: Path) -> Path:
    """Return the file of predictions; those for a table are kept in the state folder as well."""
    if table is not None:
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', table)}.parquet"
    if output is not None:
        return Path(output)
    if "://" in source:
        raise click.UsageError("Say OUTPUT: the rows of a query have no file to lie beside.")
    given = Path(source)
    return given.with_name(f"{given.stem}_predictions{given.suffix}")


@contextmanager
def _progress(source: Path, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Yield what shows the rows done: as a bar where the file says how many there are, else as a count."""
    if quiet or not sys.stderr.isatty():
        yield lambda rows: None
        return
    with click.progressbar(length=_count(source), label="Predicting", show_pos=True, file=sys.stderr) as bar:
        yield lambda rows: bar.update(rows - bar.pos)


def _count(source: Path) -> int:
    """Return the number of rows of a file; of text, that is a guess from its first megabyte."""
    if not source.is_file() or not source.stat().st_size:
        return 1
    if source.suffix == ".parquet":
        import pyarrow.parquet as pq

        with suppress(ValueError, OSError):
            return int(pq.read_metadata(source).num_rows)
        return 1
    with source.open("rb") as file:
        begin = file.read(1 << 20)
    return max(1, begin.count(b"\n") * source.stat().st_size // len(begin))


def _words(summary: BatchSummary, target: str) -> str:
    run = summary.run
    if summary.repeated:
        return (
            f"'{target}' is complete already: {run.rows:,} rows of this input, by version {run.version}. Nothing to do."
        )
    lines = [f"{run.rows:,} rows predicted by {run.model} {run.version} in {run.seconds:.1f} s: '{target}'"]
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
