"""Score a file: bounded parts in, keys and predictions out, bad rows set aside, all or nothing, resumed where it stopped.

The run's id is made from the digests of package and input, and a row's prediction id from it and the row's
number: the same run gives the same bytes, whenever and however often it is repeated.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ...errors import EmptyDataError, InputFailure, InvalidInputError, SchemaError, SourceError
from ...model.signature import Signature
from ...prediction_log import BatchRun, PredictionLog, digest_of
from ...predictor import PackagePredictor
from ...tabular import SUFFIXES, TableJoiner, columns_in, publish
from ..suggestions import nearest
from .input_digest import Content
from .partitions import Part, PartFolder, remove_parts
from .scoring import REASONS, Scoring

__all__ = ["BatchSummary", "predict_file"]

ROWS_AT_A_TIME = 100_000
# What a stopped run has to do again, at most, but for large row groups of Parquet.
ROWS_A_PART = 250_000


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
    stopped goes on with the parts that it had not done; its output is the same.

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
    content = Content(source)
    digest = content.digest
    id = "b" + hashlib.sha256(f"{predictor.digest}\n{digest}".encode()).hexdigest()[:16]
    rejected_path = target.with_name(target.name + ".rejected.csv")
    earlier = _repeated(log.batch(id), source, target, rejected_path)
    name = f"{id}{'.lenient' if ignore_extra else ''}"
    if earlier is not None:
        remove_parts(target, name)
        return BatchSummary(earlier, rejected_path if earlier.rejected else None, repeated=True)
    with closing(_folder(target, name)) as parts:
        scoring = Scoring(predictor, id, source, parts, ignore_extra, ROWS_AT_A_TIME, ROWS_A_PART)
        done, output, aside = _score(scoring, suffix=target.suffix, progress=progress)
        if output is None:
            _refuse_nothing(parts, source, done, aside=aside, rejected_path=rejected_path)
        assert output is not None
        if content.is_changed():
            parts.remove()
            raise SourceError(f"'{source}' was changed while it was read. Run the command again.")
        run = BatchRun(
            id=id, at=datetime.now(UTC), seconds=round(time.monotonic() - started, 3), model=predictor.name,
            version=predictor.version, digest=predictor.digest, caller=caller, input_path=str(source.absolute()),
            input_digest=digest, output_path=str(target.absolute()), output_digest=digest_of(output),
            rows=sum(part.rows for part in done), rejected=sum(part.rejected for part in done),
            first_event=min((part.first for part in done if part.first), default=None),
            last_event=max((part.last for part in done if part.last), default=None),
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
    scoring: Scoring, *, suffix: str, progress: Callable[[int], None]
) -> tuple[list[Part], Path | None, Path | None]:
    """Return the parts; and the files of their predictions, and of the rows set aside, where there are any."""
    parts, done = scoring.parts, []
    output, aside = TableJoiner(parts.joined(f"output{suffix}")), TableJoiner(parts.joined("rejected.csv"))
    with closing(output), closing(aside), closing(scoring.finished(progress)) as finished:
        for place, part in finished:
            if part.rows:
                output.add(parts.output(place))
            if part.rejected:
                aside.add(parts.rejected(place))
            done.append(part)
    return done, output.path, aside.path


def _refuse_nothing(
    parts: PartFolder, source: Path, done: Sequence[Part], *, aside: Path | None, rejected_path: Path
) -> None:
    """Refuse a run that predicted nothing."""
    reasons = [InputFailure(*each) for part in done for each in part.reasons][:REASONS]
    if aside is not None:
        publish(aside, rejected_path)
    parts.remove()
    if not reasons:
        raise EmptyDataError(f"'{source}' has no rows. Give a table with rows to predict.")
    raise InvalidInputError(reasons)
