"""Score a file: bounded parts in, keys and predictions out, bad rows set aside, all or nothing.

The run's id is made from the digests of package and input, and a row's prediction id from it and the row's
number: the same run gives the same bytes, whenever and however often it is repeated.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EmptyDataError, InputFailure, InvalidInputError, SchemaError, SourceError
from ..model.signature import Signature
from ..model.tables import SUFFIXES, Chunk, columns_in, read_chunks
from ..prediction_log import BatchRun, PredictionLog, digest_of, row_of
from ..predictor import PackagePredictor
from .outputs import TableWriter
from .release import answers_of
from .suggestions import nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BatchSummary", "predict_file"]

ROWS_AT_A_TIME = 50_000


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


@dataclass
class _Tally:
    rows: int = 0
    rejected: int = 0
    first: pd.Timestamp | None = None
    last: pd.Timestamp | None = None
    failures: tuple[InputFailure, ...] = ()


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
    """Score the rows of `source` into `target`, each a .csv or .parquet file.

    The output has the key columns, `prediction_id` and the model's outputs. It appears whole, after the
    record of the run is durable. Rows that cannot be scored are written to `<target>.rejected.csv`.

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
    if done is not None:
        return BatchSummary(done, rejected_path if done.rejected else None, repeated=True)
    output, aside = _partial(target), _partial(rejected_path)
    try:
        tally = _score(predictor, id, source, TableWriter(output), TableWriter(aside), progress)
        _check_tally(tally, source, aside=aside, rejected_path=rejected_path)
        if digest_of(source) != digest:
            raise SourceError(f"'{source}' was changed while it was read. Run the command again.")
        run = BatchRun(
            id=id, at=datetime.now(UTC), seconds=round(time.monotonic() - started, 3), model=predictor.name,
            version=predictor.version, digest=predictor.digest, caller=caller, input_path=str(source.absolute()),
            input_digest=digest, output_path=str(target.absolute()), output_digest=digest_of(output), rows=tally.rows,
            rejected=tally.rejected, first_event=_moment(tally.first), last_event=_moment(tally.last),
        )  # fmt: skip
        log.append(run)
        _publish(aside, rejected_path, there=tally.rejected > 0)
        _publish(output, target, there=True)
    finally:
        output.unlink(missing_ok=True)
        aside.unlink(missing_ok=True)
    return BatchSummary(run, rejected_path if tally.rejected else None)


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
        raise SourceError(f"'{target}' is neither a .csv nor a .parquet file. Give one of these as the output.")
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
    output: TableWriter,
    aside: TableWriter,
    progress: Callable[[int], None],
) -> _Tally:
    tally, seen = _Tally(), 0
    try:
        for chunk in read_chunks(source, predictor.signature.inputs, rows=ROWS_AT_A_TIME):
            frame, failures = chunk.frame, list(chunk.failures)
            answers, frame, refused = _predict(predictor, frame)
            failures += refused
            if len(frame):
                output.write(_output(id, chunk, frame, answers, predictor.signature, text=output.text))
                _note_events(tally, frame, predictor.signature)
            if failures:
                aside.write(_rejected(chunk, failures))
            tally.rows += len(frame)
            tally.rejected += len({failure.row for failure in failures})
            tally.failures = (*tally.failures, *failures)[:20]
            seen += len(chunk.raw)
            progress(seen)
    finally:
        output.close()
        aside.close()
    return tally


def _predict(
    predictor: PackagePredictor, frame: pd.DataFrame
) -> tuple[list[dict[str, object]], pd.DataFrame, list[InputFailure]]:
    if not len(frame):
        return [], frame, []
    try:
        return list(answers_of(predictor.predict(frame.reset_index(drop=True)))), frame, []
    except InvalidInputError as error:
        if any(failure.row is None for failure in error.failures):
            raise
        refused = [InputFailure(int(frame.index[f.row or 0]), f.field, f.reason) for f in error.failures]
    kept = frame.drop(index=sorted({failure.row for failure in refused if failure.row is not None}))
    if not len(kept):
        return [], kept, refused
    return list(answers_of(predictor.predict(kept.reset_index(drop=True)))), kept, refused


def _output(
    id: str,
    chunk: Chunk,
    frame: pd.DataFrame,
    answers: Sequence[dict[str, object]],
    signature: Signature,
    *,
    text: bool,
) -> pd.DataFrame:
    import pandas as pd

    # A key goes into text as it came out of text, so that it can be joined there.
    keys = (chunk.raw.loc[frame.index] if text else frame)[list(signature.keys)]
    ids = pd.Series([row_of(id, number) for number in frame.index], index=frame.index, dtype=object)
    made = pd.DataFrame(list(answers), index=frame.index)
    return pd.concat([keys, ids.rename("prediction_id"), made], axis=1)


def _rejected(chunk: Chunk, failures: Sequence[InputFailure]) -> pd.DataFrame:
    import pandas as pd

    reasons: dict[int, list[str]] = {}
    for failure in failures:
        words = f"{failure.field}: {failure.reason}" if failure.field else failure.reason
        reasons.setdefault(failure.row or 0, []).append(words)
    rows = sorted(reasons)
    about = pd.DataFrame({"row": rows, "reason": ["; ".join(reasons[row]) for row in rows]}, index=rows)
    return pd.concat([about, chunk.raw.loc[rows]], axis=1)


def _note_events(tally: _Tally, frame: pd.DataFrame, signature: Signature) -> None:
    if signature.event_time is None:
        return
    moments = frame[signature.event_time]
    tally.first = min(moments.min(), tally.first or moments.min())
    tally.last = max(moments.max(), tally.last or moments.max())


def _moment(stamp: pd.Timestamp | None) -> datetime | None:
    return None if stamp is None else stamp.to_pydatetime()


def _check_tally(tally: _Tally, source: Path, *, aside: Path, rejected_path: Path) -> None:
    if not tally.rows and not tally.rejected:
        raise EmptyDataError(f"'{source}' has no rows. Give a table with rows to predict.")
    if not tally.rows:
        _publish(aside, rejected_path, there=True)
        raise InvalidInputError(tally.failures)


def _partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.partial{target.suffix}")


def _publish(partial: Path, target: Path, *, there: bool) -> None:
    if not there:
        target.unlink(missing_ok=True)
        return
    partial.replace(target)
    with suppress(OSError):
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
