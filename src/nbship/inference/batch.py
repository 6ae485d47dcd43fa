"""Score a file: bounded parts in, keys and predictions out, bad rows set aside, all or nothing, resumed where it stopped.

The run's id is made from the digests of package and input, and a row's prediction id from it and the row's
number: the same run gives the same bytes, whenever and however often it is repeated.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EmptyDataError, InputFailure, InvalidInputError, SchemaError, SourceError
from ..model.signature import Signature
from ..model.tables import SUFFIXES, Chunk, columns_in, read_chunks
from ..prediction_log import BatchRun, PredictionLog, digest_of
from ..predictor import PackagePredictor, Predictions
from .outputs import TableWriter, join_tables, publish
from .parts import Part, PartFolder, remove_parts
from .scored import predicted_table, rejected_table
from .suggestions import nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BatchSummary", "predict_file"]

ROWS_AT_A_TIME = 100_000
# What a stopped run has to do again, at most.
ROWS_A_PART = 1_000_000
_REASONS = 20


@dataclass(frozen=True)
class BatchSummary:
    """What a batch run did.

    Attributes
    ----------
    run
        The record that is in the log.
    rejected_path
        Where the rows set aside are, with their reasons; None where there are none.
    repeated
        Whether the output was there already, complete, and nothing was done.
    """

    run: BatchRun
    rejected_path: Path | None
    repeated: bool = False


def predict_file(
    predictor: PackagePredictor,
    log: PredictionLog,
    *,
    source: Path,
    target: Path,
    ignore_extra: bool = False,
    caller: str = "local",
    progress: Callable[[int], None] = lambda rows: None,
) -> BatchSummary:
    """Score the rows of `source` into `target`, each a .csv, .jsonl or .parquet file.

    The output has the key columns, `prediction_id` and the model's outputs. It appears whole, after the
    record of the run is durable. Rows that cannot be scored are written to `<target>.rejected.csv`. A run that was
    stopped goes on after the last million rows that it had done; its output is the same.

    Parameters
    ----------
    ignore_extra
        Whether columns that the model does not know are passed over instead of refused.
    progress
        Called with the number of rows read so far.

    Raises
    ------
    SourceError
        If a file cannot be read or written.
    SchemaError
        If a column is missing, or unknown.
    EmptyDataError
        If there are no rows.
    InvalidInputError
        If no row can be scored.
    """
    started = time.monotonic()
    _check_columns(source, predictor.signature, ignore_extra=ignore_extra)
    _check_target(source, target)
    digest = digest_of(source)
    id = "b" + hashlib.sha256(f"{predictor.digest}\n{digest}".encode()).hexdigest()[:16]
    rejected_path = target.with_name(target.name + ".rejected.csv")
    done = _repeated(log.batch(id), source, target, rejected_path)
    name = f"{id}{'.lenient' if ignore_extra else ''}"
    if done is not None:
        remove_parts(target, name)
        return BatchSummary(done, rejected_path if done.rejected else None, repeated=True)
    with closing(_folder(target, name)) as parts:
        _score(predictor, id, source, parts, ignore_extra=ignore_extra, progress=progress)
        aside = _joined(parts, parts.rejects(), "rejected.csv")
        _refuse_nothing(parts, source, aside=aside, rejected_path=rejected_path)
        output = _joined(parts, parts.outputs(), f"output{target.suffix}")
        assert output is not None
        if digest_of(source) != digest:
            parts.remove()
            raise SourceError(f"'{source}' was changed while it was read. Run the command again.")
        run = BatchRun(
            id=id, at=datetime.now(UTC), seconds=round(time.monotonic() - started, 3), model=predictor.name,
            version=predictor.version, digest=predictor.digest, caller=caller, input_path=str(source.absolute()),
            input_digest=digest, output_path=str(target.absolute()), output_digest=digest_of(output),
            rows=sum(part.rows for part in parts.done), rejected=sum(part.rejected for part in parts.done),
            first_event=min((part.first for part in parts.done if part.first), default=None),
            last_event=max((part.last for part in parts.done if part.last), default=None),
        )  # fmt: skip
        log.append(run)
        if aside is None:
            rejected_path.unlink(missing_ok=True)
        else:
            publish(aside, rejected_path)
        publish(output, target)
        parts.remove()
    return BatchSummary(run, rejected_path if run.rejected else None)


def _folder(target: Path, run: str) -> PartFolder:
    try:
        return PartFolder(target, run)
    except OSError as error:
        raise SourceError(f"'{target.parent}' cannot be written: {error.strerror or error}.") from error


def _joined(parts: PartFolder, files: Sequence[Path], name: str) -> Path | None:
    """Join the files of the parts; None where there are none."""
    if not files:
        return None
    made = parts.joined(name)
    try:
        join_tables(files, made)
    except OSError as error:
        raise SourceError(f"'{made.parent.parent}' cannot be written: {error.strerror or error}.") from error
    return made


def _check_columns(source: Path, signature: Signature, *, ignore_extra: bool) -> None:
    names = columns_in(source)
    missing = [field.name for field in signature.inputs if not field.optional and field.name not in names]
    if missing:
        near = nearest(missing[0], [name for name in names if name not in signature.names])
        hint = f" There is '{near}': rename it." if near else " Add it."
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise SchemaError(f"'{source}' lacks the column '{missing[0]}'{more}, which the model needs.{hint}")
    unknown = [name for name in names if name not in signature.names]
    if unknown and not ignore_extra:
        near = nearest(unknown[0], [name for name in signature.names if name not in names])
        hint = f" Did you mean '{near}'?" if near else ""
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        raise SchemaError(
            f"'{source}' has the column '{unknown[0]}'{more}, which the model does not know.{hint} Remove it, or pass --ignore-extra."
        )


def _check_target(source: Path, target: Path) -> None:
    if target.suffix not in SUFFIXES:
        raise SourceError(f"'{target}' is not one of {', '.join(SUFFIXES)}. Give such a file as the output.")
    if target.absolute() == source.absolute() or (target.exists() and target.samefile(source)):
        raise SourceError(f"'{target}' is the input itself. Give another output.")
    if target.is_dir() or not target.absolute().parent.is_dir():
        raise SourceError(
            f"'{target}' cannot be written: its folder does not exist, or it is one. Give another output."
        )


def _repeated(runs: Sequence[BatchRun], source: Path, target: Path, rejected_path: Path) -> BatchRun | None:
    for run in runs:
        same_paths = run.input_path == str(source.absolute()) and run.output_path == str(target.absolute())
        if same_paths and target.is_file() and digest_of(target) == run.output_digest:
            return run if rejected_path.is_file() or not run.rejected else None
    return None


def _score(
    predictor: PackagePredictor,
    id: str,
    source: Path,
    parts: PartFolder,
    *,
    ignore_extra: bool,
    progress: Callable[[int], None],
) -> None:
    """Predict part after part, from the first that is not done."""
    fields, start = predictor.signature.inputs, parts.seen
    chunks = read_chunks(source, fields, rows=ROWS_AT_A_TIME, start=start, ignore_extra=ignore_extra)
    a_part = max(1, ROWS_A_PART // ROWS_AT_A_TIME)
    with ThreadPoolExecutor(1) as reading:
        ahead = _ahead(chunks, reading)
        while (first := next(ahead, None)) is not None:
            part = chain([first], (chunk for _, chunk in zip(range(a_part - 1), ahead, strict=False)))
            parts.finish(_part(predictor, id, part, parts, progress))


def _ahead(chunks: Iterator[Chunk], reading: ThreadPoolExecutor) -> Iterator[Chunk]:
    """Yield chunks, while the next one is being read."""
    following: Future[Chunk | None] = reading.submit(next, chunks, None)
    while (chunk := following.result()) is not None:
        following = reading.submit(next, chunks, None)
        yield chunk


def _part(
    predictor: PackagePredictor, id: str, chunks: Iterator[Chunk], parts: PartFolder, progress: Callable[[int], None]
) -> Part:
    place, before = parts.begin(), parts.seen
    output, aside = TableWriter(parts.output(place)), TableWriter(parts.rejected(place))
    part = Part(0)
    with ThreadPoolExecutor(1) as writing:
        written: list[Future[None]] = []
        try:
            for chunk in chunks:
                frame, predictions, refused = _predict(predictor, chunk.frame)
                failures = [*chunk.failures, *refused]
                while written:
                    written.pop().result()
                if predictions is not None:
                    table = predicted_table(id, chunk, frame, predictions, predictor.signature, text=output.text)
                    written.append(writing.submit(output.write, table))
                if failures:
                    written.append(writing.submit(aside.write, rejected_table(chunk, failures)))
                part = _added(part, chunk, frame, failures, predictor.signature)
                progress(before + part.seen)
            while written:
                written.pop().result()
        finally:
            writing.submit(output.close).result()
            writing.submit(aside.close).result()
    return part


def _added(
    part: Part, chunk: Chunk, frame: pd.DataFrame, failures: Sequence[InputFailure], signature: Signature
) -> Part:
    moments = None if signature.event_time is None or not len(frame) else frame[signature.event_time]
    first, last = (None, None) if moments is None else (moments.min().to_pydatetime(), moments.max().to_pydatetime())
    told = [(failure.row, failure.field, failure.reason) for failure in failures[:_REASONS]]
    return Part(
        seen=part.seen + len(chunk.index),
        rows=part.rows + len(frame),
        rejected=part.rejected + len({failure.row for failure in failures}),
        first=min((moment for moment in (part.first, first) if moment), default=None),
        last=max((moment for moment in (part.last, last) if moment), default=None),
        reasons=(*part.reasons, *told)[:_REASONS],
    )


def _predict(
    predictor: PackagePredictor, frame: pd.DataFrame
) -> tuple[pd.DataFrame, Predictions | None, list[InputFailure]]:
    """Return the rows that can be predicted, their predictions, and what is wrong with the others."""
    if not len(frame):
        return frame, None, []
    try:
        return frame, predictor.predict(frame.reset_index(drop=True)), []
    except InvalidInputError as error:
        if any(failure.row is None for failure in error.failures):
            raise
        refused = [InputFailure(int(frame.index[f.row or 0]), f.field, f.reason) for f in error.failures]
    kept = frame.drop(index=sorted({failure.row for failure in refused if failure.row is not None}))
    return kept, predictor.predict(kept.reset_index(drop=True)) if len(kept) else None, refused


def _refuse_nothing(parts: PartFolder, source: Path, *, aside: Path | None, rejected_path: Path) -> None:
    """Refuse a run that predicted nothing."""
    if any(part.rows for part in parts.done):
        return
    reasons = [InputFailure(*each) for part in parts.done for each in part.reasons][:_REASONS]
    if aside is not None:
        publish(aside, rejected_path)
    parts.remove()
    if not reasons:
        raise EmptyDataError(f"'{source}' has no rows. Give a table with rows to predict.")
    raise InvalidInputError(reasons)
