"""`nbship predict`."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import SourceError
from ..text import counted
from .options import csv_options, model_option, share, text

if TYPE_CHECKING:
    from ..inference import BatchSummary, OwnFiles
    from ..model.signature import Signature
    from ..tabular import CsvOptions, Kind, Source

__all__ = ["command"]

_STREAM = "-"


@click.command()
@click.argument("source", type=text)
@click.argument("output", type=text, required=False)
@click.option("--package", type=click.Path(path_type=Path), help="A package folder or wheel.  [default: the project's]")
@model_option
@click.option("--query", type=text, help="The SQL query to read, if SOURCE is a database URL.")
@click.option("--table", type=text, help="The table to write, if OUTPUT is a database URL.")
@click.option(
    "--output-format",
    type=click.Choice(["csv", "jsonl", "parquet"]),
    help="The format of standard output.  [default: that of SOURCE]",
)
@csv_options
@click.option(
    "--escape-formulas", is_flag=True, help="Escape what a spreadsheet would run as a formula in CSV outputs."
)
@click.option("--ignore-extra", is_flag=True, help="Ignore columns that the model does not have.")
@click.option(
    "--max-rejected",
    metavar="SHARE",
    type=share,
    default=0.1,
    show_default=True,
    help="Exit with 1 if a larger share of the rows is rejected.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--other-versions",
    is_flag=True,
    help="Allow a package made with other library versions, if its golden rows get the same outputs.",
)
def command(
    source: str, output: str | None, package: Path | None, model: str | None, query: str | None, table: str | None, ignore_extra: bool,
    output_format: str | None, as_json: bool, other_versions: bool, csv: CsvOptions, max_rejected: float, escape_formulas: bool,
) -> None:  # fmt: skip
    """Score CSV, JSON, JSON Lines or Parquet files, or the result of a database query.

    SOURCE is a file, a folder, a pattern in quotes ('july/*.parquet') whose files are read as one table, or - for
    standard input. Text may be compressed (.gz, .zst, .bz2). OUTPUT (.csv, .jsonl, .parquet, or - for standard output;
    default: <name>_predictions beside the input) gets the key columns, a prediction id and the outputs for each row.
    It appears complete or not at all; a stopped run resumes. Invalid rows are written to <OUTPUT>.rejected.csv with
    the reasons; the output holds the others. Database URLs have the form of SQLAlchemy
    (postgresql+psycopg://user@host/shop).

    \b
    Example:
        nbship predict july.csv july_scored.csv
        nbship predict export.csv scored.csv --encoding latin-1 --null NA
        zcat july.csv.gz | nbship predict - - > scored.csv
        nbship predict sqlite:///shop.db out.parquet --query 'SELECT * FROM orders ORDER BY id'
    """
    from ..inference import OwnFiles, find_deployment, load_table, personal_keys, predict_file
    from ..prediction_log import redacted_fields

    output = _check_usage(source, output, query=query, table=table, output_format=output_format)
    deployment = find_deployment(package, model=model)
    predictor = deployment.load(other_versions=other_versions)
    folder = deployment.state / "batches"
    personal = bool(redacted_fields(predictor.signature))
    stores = query is not None or source == _STREAM
    owned = output == _STREAM or table is not None
    with OwnFiles(folder) as own, _private_files(owned):
        read = _source(source, query, own, predictor.signature, csv)
        target, kept = Path(output), None
        if owned:
            kind = _kind(read, output_format, table)
            target = own.output(predictor, read, kind, ignore_extra=ignore_extra, escape_formulas=escape_formulas)
            kept = target if personal else None
        if kept is not None and personal_keys(predictor.signature):
            kept, target = kept.with_suffix(".parquet"), own.temporary(kept.name)
        with deployment.open_log() as log, _progress(read, quiet=as_json) as progress:
            summary = predict_file(
                predictor, log, source=read, target=target, keep_in=folder if stores else None, keep_output_as=kept, progress=progress, ignore_extra=ignore_extra, escape_formulas=escape_formulas,
            )  # fmt: skip
        if table is not None:
            load_table(target, output, table, run=summary.run.id)
        if output == _STREAM:
            _copy_to_stdout(target)
    text = json.dumps(_as_json(summary)) if as_json else _as_text(summary, table or output, owned=owned)
    click.echo(text, err=output == _STREAM)
    summary.require_accepted(max_rejected)


@contextmanager
def _private_files(wanted: bool) -> Iterator[None]:
    """Let only the owner read new files, if all of them go to the state folder."""
    before = os.umask(0o077) if wanted else None
    try:
        yield
    finally:
        if before is not None:
            os.umask(before)


def _check_usage(
    source: str, output: str | None, *, query: str | None, table: str | None, output_format: str | None
) -> str:
    """Return OUTPUT, or its default."""
    from ..inference import is_database_url

    if is_database_url(source) != (query is not None):
        raise click.UsageError("--query and a database URL as SOURCE need each other. Pass both or neither.")
    if output is None:
        output = _default_output(source)
    if output == _STREAM:
        _check_stdout()
    if is_database_url(output) != (table is not None):
        raise click.UsageError("--table and a database URL as OUTPUT need each other. Pass both or neither.")
    if output_format is not None and output != _STREAM:
        raise click.UsageError("--output-format is the format of standard output, OUTPUT -. Other outputs have that of their suffix.")  # fmt: skip
    return output


def _default_output(source: str) -> str:
    from ..inference import is_database_url
    from ..tabular import Source, find_format

    if source == _STREAM:
        return _STREAM
    if is_database_url(source):
        raise click.UsageError("Pass OUTPUT: a query has no input file from which to derive a default.")
    given = Path(source)
    if Source(given).files != (given,):
        raise click.UsageError("Pass OUTPUT: several files have no name from which to derive a default.")
    format = find_format(given)
    stem = Path(given.stem).stem if format.compression else given.stem
    return str(given.with_name(f"{stem}_predictions.{'jsonl' if format.kind == 'json' else format.kind}"))


def _source(source: str, query: str | None, own: OwnFiles, signature: Signature, csv: CsvOptions) -> Source:
    """Return the files to read. Replays of the run read the stored result of a query, or the stored input stream."""
    from ..tabular import Source

    if query is not None:
        return Source(own.store_query(source, query, signature=signature), csv, "the result of the query")
    if source == _STREAM:
        return Source(own.store_stream(sys.stdin.buffer), csv, "standard input")
    return Source(Path(source), csv)


def _check_stdout() -> None:
    """Raise if there is no standard output: what is written to it would be lost."""
    if sys.__stdout__ is None:
        raise SourceError("Standard output is closed. Redirect it, or give the path of a file as OUTPUT.")


def _copy_to_stdout(file: Path) -> None:
    from ..tabular import writing

    try:
        with writing("standard output"), file.open("rb") as opened:
            shutil.copyfileobj(opened, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    except SourceError:
        # What is left in Python's buffer would be written again, and fail again, when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise


def _kind(source: Source, output_format: str | None, table: str | None) -> Kind:
    """Return the format of a table's file, or of standard output: by default, that of the input."""
    from ..tabular import output_kind

    if table is not None:
        return "parquet"
    name = output_format or ("jsonl" if source.kind == "json" else source.kind)
    return output_kind(Path(f"output.{name}"))


@contextmanager
def _progress(source: Source, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that updates a progress bar with the number of scored rows; silent without a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda rows: None
        return
    with click.progressbar(length=_count(source), label="Predicting", show_pos=True, file=sys.stderr) as bar:
        yield lambda rows: bar.update(rows - bar.pos)


def _count(source: Source) -> int:
    """Return the number of rows; for text, an estimate from the first megabyte of each file."""
    try:
        if source.kind == "parquet":
            return sum(map(sum, source.group_sizes))
        return sum(map(_count_lines, source.files))
    except (ValueError, OSError, SourceError):
        return 1  # the run itself says what is wrong


def _count_lines(file: Path) -> int:
    with file.open("rb") as opened:
        begin = opened.read(1 << 20)
    return max(1, begin.count(b"\n") * file.stat().st_size // max(1, len(begin)))


def _as_text(summary: BatchSummary, output: str, *, owned: bool) -> str:
    """Return what a run did. If nbship owns the output, it was copied to a table or to standard output."""
    run = summary.run
    to = "standard output" if output == _STREAM else f"'{output}'"
    if summary.repeated and owned:
        return f"{counted(run.rows, 'prediction')} for this input by version {run.version} written to {to}. They were predicted by an earlier run."
    if summary.repeated:
        return f"{to} already has the {counted(run.rows, 'prediction')} for this input by version {run.version}. Nothing to do."
    lines = [f"{counted(run.rows, 'row')} predicted by {run.model} {run.version} in {run.seconds:.1f} s: {to}"]
    if summary.rejected_path is not None:
        lines.append(f"{counted(run.rejected, 'row')} rejected: see '{summary.rejected_path}' for the reasons")
    return "\n".join(lines)


def _as_json(summary: BatchSummary) -> dict[str, object]:
    from ..tabular import Source

    run = summary.run
    rejected = None if summary.rejected_path is None else str(summary.rejected_path.absolute())
    return {
        "id": run.id, "model": run.model, "version": run.version, "rows": run.rows, "rejected": run.rejected,
        "seconds": run.seconds, "output": str(Source.parse(run.output_path).path), "rejected_output": rejected, "repeated": summary.repeated,
    }  # fmt: skip
