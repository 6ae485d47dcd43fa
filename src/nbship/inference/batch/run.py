"""Score a file in bounded memory. The output appears atomically; a stopped run resumes.

A run's id is derived from the digests of package and input, and a row's prediction id from the run's id and the row
number, so repeating a run gives identical output.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ...atomic_write import publish
from ...errors import EmptyDataError, InputFailure, InvalidInputError, SchemaError, SourceError
from ...model.signature import Signature
from ...prediction_log import BatchRun, PredictionLog, digest_of, redacted_fields
from ...predictor import PackagePredictor
from ...tabular import CsvOptions, Source, TableJoiner, output_kind, read_column_names, writing
from ...text import counted, listed, nearest
from .input_digest import InputDigest
from .kept_files import INPUT_SUFFIX, keep_input, keep_output
from .partitions import Partition, PartitionFolder, remove_partitions
from .scoring import REASONS, Scoring

__all__ = ["BatchSummary", "predict_file", "run_name"]

CHUNK_ROWS = 100_000
# A stopped run loses at most this many rows of work per process; more if a Parquet row group is larger.
PARTITION_ROWS = 250_000


@dataclass(frozen=True)
class BatchSummary:
    """The result of a batch run.

    Attributes
    ----------
    run
        Its record in the log.
    rejected_path
        The file of rejected rows with their reasons, or None if no row was rejected.
    repeated
        Whether the output already existed, so that nothing was done.
    """

    run: BatchRun
    rejected_path: Path | None
    repeated: bool = False

    def require_accepted(self, max_rejected: float) -> None:
        """Raise SchemaError if more than a share of the rows, from 0 to 1, was rejected."""
        count = self.run.rows + self.run.rejected
        if not self.run.rejected <= max_rejected * count:
            raise SchemaError(
                f"{self.run.rejected:,} of {counted(count, 'row')} were rejected, more than the share of {max_rejected:g} that --max-rejected allows. See '{self.rejected_path}' for the reasons; '{Source.parse(self.run.output_path).path}' holds the other rows."
            )


def predict_file(
    predictor: PackagePredictor,
    log: PredictionLog,
    *,
    source: Source | Path,
    target: Path,
    keep_in: Path | None = None,
    keep_output_as: Path | None = None,
    ignore_extra: bool = False,
    escape_formulas: bool = False,
    caller: str = "local",
    progress: Callable[[int], None] = lambda rows: None,
) -> BatchSummary:
    """Score the rows of `source` into `target`, a .csv, .jsonl or .parquet file.

    The output has the key columns, `prediction_id` and the model's outputs. It appears atomically, once the run's
    record is durable. Invalid rows are written to `<target>.rejected.csv`. A stopped run resumes with its
    unfinished partitions, and its output is the same.

    Parameters
    ----------
    keep_in
        The folder into which `source`, one file, is moved once the run is complete; if the model has personal fields, a
        copy with pseudonyms is written there instead.
    keep_output_as
        The file that replays read instead of `target`, for which pseudonyms replace personal values in the rejected
        rows, and in a copy of the output if it is not `target` itself. Only for models with personal fields.
    ignore_extra
        Ignore unknown columns instead of raising an error.
    escape_formulas
        Escape strings of CSV files that a spreadsheet would run as formulas.
    progress
        Called with the number of rows scored so far.

    Raises
    ------
    SourceError
        If a file cannot be read or written.
    SchemaError
        If a column is missing or unknown.
    EmptyDataError
        If there are no rows.
    InvalidInputError
        If no row is valid.
    """
    started = time.monotonic()
    source = source if isinstance(source, Source) else Source(source)
    _check_columns(source, predictor.signature, ignore_extra=ignore_extra)
    _check_target(source, target)
    current = InputDigest(source)
    digest = current.digest
    id = _run_id(predictor.digest, digest, source.declared)
    stored = keep_output_as or target
    rejected_path = stored.with_name(stored.name + ".rejected.csv")
    read = source if keep_in is None else _kept_input(source, keep_in, id, digest, predictor.signature)
    written = Source(stored, CsvOptions(escaped=escape_formulas and output_kind(stored) == "csv"))
    earlier = _repeated(log.batch(id), read, written, rejected_path)
    name = run_name(predictor, source, digest, ignore_extra=ignore_extra, escape_formulas=escape_formulas)
    # Beside the file that stays: `target` may be in a folder that does not.
    beside = stored.with_name(target.name)
    if earlier is not None and stored == target:
        remove_partitions(beside, name)
        return BatchSummary(earlier, rejected_path if earlier.rejected else None, repeated=True)
    with writing(stored.absolute().parent), closing(PartitionFolder(beside, name)) as folder:
        salt = None if keep_output_as is None else log.salt
        scoring = Scoring(
            predictor, id, source, folder, ignore_extra, escape_formulas, CHUNK_ROWS, PARTITION_ROWS, salt
        )
        partitions, output, rejected = _score(scoring, suffix=f".{output_kind(target)}", progress=progress)
        if output is None:
            _raise_no_output(folder, source, partitions, rejected=rejected, rejected_path=rejected_path)
        assert output is not None
        if current.is_changed():
            folder.remove()
            raise SourceError(f"'{source.shown()}' changed while it was read. Run the command again.")
        if earlier is not None:
            # The files that stay are there, and may have lost rows that were to be forgotten.
            publish(output, target)
            folder.remove()
            return BatchSummary(earlier, rejected_path if earlier.rejected else None, repeated=True)
        copied = output
        if stored != target:
            copied = folder.joined(f"kept{stored.suffix}")
            given = Source(output, CsvOptions(escaped=escape_formulas and output_kind(target) == "csv"))
            keep_output(given, copied, signature=predictor.signature, salt=log.salt)
        if read is not source and redacted_fields(predictor.signature):
            digest = keep_input(source, read.path, signature=predictor.signature, salt=log.salt)
        elif read is not source:
            publish(source.path, read.path, durable=True)
        run = BatchRun(
            id=id, at=datetime.now(UTC), seconds=round(time.monotonic() - started, 3), model=predictor.name,
            version=predictor.version, digest=predictor.digest, caller=caller, input_path=str(read),
            input_digest=digest, output_path=str(written), output_digest=digest_of(copied),
            rows=sum(each.rows for each in partitions), rejected=sum(each.rejected for each in partitions),
            first_event=min((each.first for each in partitions if each.first), default=None),
            last_event=max((each.last for each in partitions if each.last), default=None),
        )  # fmt: skip
        # First the record, then the output: an output without a record could not be replayed. A run that is killed in
        # between is completed by the next one.
        log.append(run)
        if rejected is None:
            rejected_path.unlink(missing_ok=True)
        else:
            publish(rejected, rejected_path, durable=True)
        publish(copied, stored, durable=True)
        if stored != target:
            publish(output, target)
        folder.remove()
    return BatchSummary(run, rejected_path if run.rejected else None)


def _kept_input(source: Source, folder: Path, id: str, digest: str, signature: Signature) -> Source:
    """Return the file that replays read."""
    if redacted_fields(signature):
        return Source(folder.absolute() / f"{id}{INPUT_SUFFIX}")
    return Source(folder.absolute() / f"{digest[:16]}.{source.path.name}", source.csv)


def run_name(
    predictor: PackagePredictor, source: Source, digest: str, *, ignore_extra: bool, escape_formulas: bool
) -> str:
    """Return the name of a run's files: its id, and what else decides their content.

    Parameters
    ----------
    digest
        That of the source.
    """
    return f"{_run_id(predictor.digest, digest, source.declared)}{'.lenient' if ignore_extra else ''}{'.escaped' if escape_formulas else ''}"


def _run_id(package: str, digest: str, declared: str) -> str:
    parts = [package, digest, declared] if declared else [package, digest]
    return "b" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _check_columns(source: Source, signature: Signature, *, ignore_extra: bool) -> None:
    names = read_column_names(source)
    missing = [field.name for field in signature.inputs if not field.optional and field.name not in names]
    if missing:
        near = nearest(missing[0], [name for name in names if name not in signature.names])
        hint = f" Rename '{near}', or add the column." if near else " Add it."
        raise SchemaError(f"'{source.shown()}' lacks the required column {listed(missing, most=1, quoted=True)}.{hint}")
    unknown = [name for name in names if name not in signature.names]
    if unknown and not ignore_extra:
        near = nearest(unknown[0], [name for name in signature.names if name not in names])
        hint = f" Did you mean '{near}'?" if near else ""
        raise SchemaError(
            f"'{source.shown()}' has the unknown column {listed(unknown, most=1, quoted=True)}.{hint} Remove it, or pass --ignore-extra."
        )


def _check_target(source: Source, target: Path) -> None:
    output_kind(target)
    if any(
        target.absolute() == file.absolute() or (target.exists() and target.samefile(file)) for file in source.files
    ):
        raise SourceError(f"'{target}' is both input and output. Give another output.")
    if target.is_dir():
        raise SourceError(f"The output '{target}' is a folder. Give the path of a file.")
    if not target.absolute().parent.is_dir():
        raise SourceError(f"The folder of the output '{target}' does not exist. Create it, or give another output.")


def _repeated(runs: Sequence[BatchRun], source: Source, target: Source, rejected_path: Path) -> BatchRun | None:
    for run in runs:
        same_paths = run.input_path == str(source) and run.output_path == str(target)
        if same_paths and target.path.is_file() and digest_of(target.path) == run.output_digest:
            return run if rejected_path.is_file() or not run.rejected else None
    return None


def _score(
    scoring: Scoring, *, suffix: str, progress: Callable[[int], None]
) -> tuple[list[Partition], Path | None, Path | None]:
    """Return the partitions, the file of predictions and the file of rejected rows (None where there are no rows)."""
    folder, partitions = scoring.folder, []
    output, rejected = TableJoiner(folder.joined(f"output{suffix}")), TableJoiner(folder.joined("rejected.csv"))
    with closing(output), closing(rejected), closing(scoring.run(progress)) as finished:
        for number, partition in finished:
            if partition.rows:
                output.add(folder.output(number))
            if partition.rejected:
                rejected.add(folder.rejected(number))
            partitions.append(partition)
    return partitions, output.path, rejected.path


def _raise_no_output(
    folder: PartitionFolder,
    source: Source,
    partitions: Sequence[Partition],
    *,
    rejected: Path | None,
    rejected_path: Path,
) -> None:
    """Raise why a run predicted no row."""
    reasons = [InputFailure(*each) for partition in partitions for each in partition.reasons][:REASONS]
    if rejected is not None:
        publish(rejected, rejected_path, durable=True)
    folder.remove()
    if not reasons:
        raise EmptyDataError(f"'{source.shown()}' has no rows. Give a file with rows to predict.")
    raise InvalidInputError(reasons)
