"""Personal values in the files that nbship keeps of batch runs: pseudonyms instead, and forgotten with the log.

The log names the input and the output of a run, which replays and reports read again. Files of the user stay as they
are. Of a model with personal fields, nbship keeps no input as it came (see `own_files`)::

    query, standard input ──► temporary file ──► scored, then deleted
                                   └──► batches/<run>.input.parquet: pseudonyms, no fields with `pii: drop`
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...atomic_write import remove, replacing
from ...model.signature import Signature
from ...prediction_log import BatchRun, SqlLog, digest_of, mark_redacted, redacted, redacted_fields
from ...tabular import Source, read_chunks
from .kept_rows import numbers_of, remove_rejected, typed_table, values_of, write_without_rows, write_without_values

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["INPUT_SUFFIX", "forget_rows", "keep_input", "remove_files"]

INPUT_SUFFIX = ".input.parquet"
_ABANDONED = 24 * 3600  # seconds
_REJECTED_SUFFIX = ".rejected.csv"


def keep_input(source: Source, target: Path, *, signature: Signature, salt: bytes) -> str:
    """Write a run's input as the log keeps it: typed rows with pseudonyms. Return its digest.

    Rows that are not valid are null, so that the other rows keep their numbers.
    """
    import pyarrow.parquet as pq

    with replacing(target, durable=True, private=True) as temporary:
        writer: Any = None
        for chunk in read_chunks(source, signature.inputs, ignore_extra=True):
            table = _redacted(chunk.frame.reindex(list(chunk.index)), signature, salt)
            writer = writer or pq.ParquetWriter(temporary, table.schema)
            writer.write_table(table.cast(writer.schema))
        if writer is not None:
            writer.close()
        return digest_of(temporary)


def _redacted(frame: pd.DataFrame, signature: Signature, salt: bytes) -> pa.Table:
    import pyarrow as pa

    personal = redacted_fields(signature)
    table = typed_table(frame, signature, without=[field.name for field in personal])
    for field in personal:
        if field.name in frame and field.pii != "drop":
            values = [redacted(value, field, salt) for value in values_of(frame[field.name])]
            table = table.append_column(field.name, pa.array(values, pa.string()))
    return mark_redacted(table, [field.name for field in personal])


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
        for output in {run.output_path for run in runs if numbers and _is_in(run.output_path, folder)}:
            path = Source.parse(output).path
            if path.is_file():
                with replacing(path, durable=True, private=True) as temporary:
                    write_without_rows(path, temporary, numbers)
                    log.replace_file(output, digest_of(path), output, digest_of(temporary))
        if numbers:
            _forget_input(log, given, source, numbers, signature)
    return count + sum(remove_rejected(path, is_theirs) for path in folder.glob(f"*{_REJECTED_SUFFIX}"))


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
    """Delete the kept files of runs before a time.

    It comes before the runs are deleted from the log: after a crash between both, the next call goes on.
    """
    runs = log.batches()
    needed = {path for run in runs if run.at >= before for path in _files(run, folder)}
    for path in {path for run in runs for path in _files(run, folder)} - needed:
        path.unlink(missing_ok=True)
    for path in folder.glob(".*"):
        # What killed processes left.
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
