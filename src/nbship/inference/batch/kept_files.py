"""Personal values in the files that nbship keeps of batch runs: pseudonyms instead, and forgotten with the log.

The log names the input and the output of a run, which replays and reports read again. Files of the user stay as they
are. Of a model with personal fields, nbship keeps no input as it came (see `own_files`)::

    query, standard input ──► temporary file ──► scored, then deleted
                                   └──► batches/<run>.input.parquet: pseudonyms, no fields with `pii: drop`
    table, standard output ◄── temporary file ◄── predictions
                                   └──► batches/<run>.parquet: pseudonyms in place of personal keys
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...atomic_write import remove, replacing
from ...model.signature import Field, Signature
from ...prediction_log import BatchRun, SqlLog, digest_of, mark_redacted, output_fields, redacted, redacted_fields
from ...tabular import Chunk, Source, read_chunks
from .kept_rows import (
    numbers_in_output,
    numbers_of,
    remove_rejected,
    typed_table,
    values_of,
    write_without_rows,
    write_without_values,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["INPUT_SUFFIX", "forget_rows", "keep_input", "keep_output", "personal_keys", "remove_files"]

INPUT_SUFFIX = ".input.parquet"
_ABANDONED = 24 * 3600  # seconds
_REJECTED_SUFFIX = ".rejected.csv"


def keep_input(source: Source, target: Path, *, signature: Signature, salt: bytes) -> str:
    """Write a run's input as the log keeps it: typed rows with pseudonyms. Return its digest.

    Rows that are not valid are null, so that the other rows keep their numbers.
    """
    personal = redacted_fields(signature)
    frames = (_with_gaps(chunk) for chunk in read_chunks(source, signature.inputs, ignore_extra=True))
    return _keep(frames, target, signature.inputs, personal, salt)


def keep_output(source: Source, target: Path, *, signature: Signature, salt: bytes) -> str:
    """Write a run's output as the log keeps it: with pseudonyms in place of personal keys. Return its digest."""
    fields = output_fields(signature, str(source))
    frames = (chunk.frame for chunk in read_chunks(source, fields))
    return _keep(frames, target, fields, personal_keys(signature), salt)


def personal_keys(signature: Signature) -> Sequence[Field]:
    """Return the key columns whose values the log does not store."""
    return [field for field in redacted_fields(signature) if field.name in signature.keys]


def _with_gaps(chunk: Chunk) -> pd.DataFrame:
    return chunk.frame.reindex(list(chunk.index))


def _keep(
    frames: Iterable[pd.DataFrame], target: Path, fields: Sequence[Field], personal: Sequence[Field], salt: bytes
) -> str:
    import pyarrow.parquet as pq

    with replacing(target, durable=True, private=True) as temporary:
        writer: Any = None
        for frame in frames:
            table = _redacted(frame, fields, personal, salt)
            writer = writer or pq.ParquetWriter(temporary, table.schema)
            writer.write_table(table.cast(writer.schema))
        if writer is not None:
            writer.close()
        return digest_of(temporary)


def _redacted(frame: pd.DataFrame, fields: Sequence[Field], personal: Sequence[Field], salt: bytes) -> pa.Table:
    import pyarrow as pa

    names = [field.name for field in personal]
    table = typed_table(frame, [field for field in fields if field.name not in names])
    for field in personal:
        if field.name in frame and field.pii != "drop":
            values = [redacted(value, field, salt) for value in values_of(frame[field.name])]
            table = table.append_column(field.name, pa.array(values, pa.string()))
    return mark_redacted(table, names)


def forget_rows(
    log: SqlLog, folder: Path, is_theirs: Callable[[Mapping[str, Any]], bool], *, signature: Signature
) -> int:
    """Delete a person's rows from the files that nbship keeps; return the number of rows.

    Rows of inputs become null, so that the other rows keep their numbers, and with them their prediction ids.
    """
    count = 0
    for given, runs in _kept_inputs(log, folder).items():
        source = Source.parse(given)
        numbers = set(numbers_of(source, signature, is_theirs))
        count += len(numbers)
        # The input last: until then, the next call finds the same rows.
        for output in _kept_outputs(runs, folder):
            _forget_output(log, output, numbers)
        if numbers:
            _forget_input(log, given, source, numbers, signature)
    # Of a file that the user owns, the output has the key columns.
    for output in _kept_outputs(log.batches(), folder) if signature.keys else ():
        numbers = set(numbers_in_output(Source.parse(output), is_theirs))
        count += len(numbers)
        _forget_output(log, output, numbers)
    _remove_abandoned(folder)
    return count + sum(remove_rejected(path, is_theirs) for path in folder.glob(f"*{_REJECTED_SUFFIX}"))


def _kept_outputs(runs: Iterable[BatchRun], folder: Path) -> set[str]:
    return {
        run.output_path
        for run in runs
        if _is_in(run.output_path, folder) and Source.parse(run.output_path).path.is_file()
    }


def _forget_output(log: SqlLog, output: str, numbers: set[int]) -> None:
    path = Source.parse(output).path
    if numbers:
        with replacing(path, durable=True, private=True) as temporary:
            write_without_rows(path, temporary, numbers)
            log.replace_file(output, digest_of(path), output, digest_of(temporary))


def _forget_input(log: SqlLog, given: str, source: Source, numbers: set[int], signature: Signature) -> None:
    """Rewrite a kept input. The log gets the new digest first: after a crash in between, the next call goes on."""
    path = source.path
    target = path if source.kind == "parquet" else path.with_name(f"{path.name}{INPUT_SUFFIX}")
    with replacing(target, durable=True, private=True) as temporary:
        write_without_values(source, temporary, numbers, signature)
        log.replace_file(given, source.digest(), str(target), digest_of(temporary))
    if target != path:
        path.unlink()


def remove_files(log: SqlLog, folder: Path, before: datetime) -> None:
    """Delete the kept files of runs before a time, and older files of runs that the log does not have.

    It comes before the runs are deleted from the log: after a crash between both, the next call goes on.
    """
    runs = log.batches()
    needed = {path for run in runs if run.at >= before for path in _files(run, folder)}
    recorded = {path for run in runs for path in _files(run, folder)}
    # A run without a valid row has rejected rows and no record. Files of other models are not in a model's log.
    others = {path for path in folder.glob("[!.]*") if path.stat().st_mtime < before.timestamp()}
    for path in (recorded if log.model is not None else recorded | others) - needed:
        path.unlink(missing_ok=True)
    _remove_abandoned(folder)


def _remove_abandoned(folder: Path) -> None:
    """Delete what killed processes left a day ago."""
    for path in folder.glob(".*"):
        if time.time() - path.lstat().st_mtime > _ABANDONED:
            remove(path)


def _files(run: BatchRun, folder: Path) -> Iterator[Path]:
    """Yield the files of a run that nbship keeps."""
    if _is_input(run, folder):
        yield Source.parse(run.input_path).path
    if _is_in(run.output_path, folder):
        output = Source.parse(run.output_path).path
        yield output
        yield output.with_name(output.name + _REJECTED_SUFFIX)


def _is_input(run: BatchRun, folder: Path) -> bool:
    # Until nbship 0.1, the result of a query was kept beside the output.
    return _is_in(run.input_path, folder) or run.input_path == run.output_path + INPUT_SUFFIX


def _is_in(path: str, folder: Path) -> bool:
    return Source.parse(path).path.parent == folder.absolute()


def _kept_inputs(log: SqlLog, folder: Path) -> Mapping[str, list[BatchRun]]:
    found: dict[str, list[BatchRun]] = {}
    for run in log.batches():
        if _is_input(run, folder) and Source.parse(run.input_path).path.is_file():
            found.setdefault(run.input_path, []).append(run)
    return found
