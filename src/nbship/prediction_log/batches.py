"""The rows of a batch run, read back from its files after their digests have been checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LogError, UnknownPredictionError
from ..model.signature import Field, Signature
from ..tabular import read_chunks
from .log import PredictionLog
from .records import BatchRun

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["batch_rows", "digest_of", "find_run", "intact_run", "output_fields", "row_id", "split_id"]

_SEPARATOR = "-"


def digest_of(path: Path | str) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def row_id(run: str, number: int) -> str:
    """Return the prediction id of a row of a batch run.

    >>> row_id("b0123456789abcdef", 7), split_id("b0123456789abcdef-7")
    ('b0123456789abcdef-7', ('b0123456789abcdef', 7))
    """
    return f"{run}{_SEPARATOR}{number}"


def split_id(id: str) -> tuple[str, int] | None:
    """Return the batch run and the row number of a prediction id, or None if it is not of a batch run."""
    run, _, number = id.rpartition(_SEPARATOR)
    if len(run) != 17 or run[0] != "b" or not number.isdecimal() or len(number) > 15:
        return None
    return run, int(number)


def find_run(log: PredictionLog, id: str) -> tuple[BatchRun, int]:
    """Return the batch run, with intact files, that a prediction id speaks of, and the row number.

    Raises
    ------
    UnknownPredictionError
        If the log has no such run.
    LogError
        If the files of the run are gone or changed.
    """
    parts = split_id(id)
    runs = log.batch(parts[0]) if parts else []
    if parts is None or not runs:
        raise UnknownPredictionError(
            f"The prediction log has no record '{id}'. Take an id from an answer, or from the column 'prediction_id' of an output."
        )
    return intact_run(runs), parts[1]


def intact_run(runs: list[BatchRun]) -> BatchRun:
    """Return the newest of one batch's runs whose files still hold what was logged.

    Raises
    ------
    LogError
        If there is none.
    """
    for run in runs:
        if _wrong_file(run) is None:
            return run
    raise LogError(
        f"The batch run of {runs[0].at:%Y-%m-%d %H:%M} UTC cannot be read again: {_wrong_file(runs[0])}. Run 'nbship predict' on the same input again."
    )


def _wrong_file(run: BatchRun) -> str | None:
    for path, digest in ((run.input_path, run.input_digest), (run.output_path, run.output_digest)):
        try:
            if _digest_at(path, Path(path).stat().st_mtime_ns, Path(path).stat().st_size) != digest:
                return f"'{path}' was changed"
        except OSError:
            return f"'{path}' is gone"
    return None


@lru_cache(maxsize=256)
def _digest_at(path: str, changed: int, size: int) -> str:
    return digest_of(path)


def output_fields(signature: Signature, *, keys: bool = True) -> tuple[Field, ...]:
    """Return the columns of a batch run's output, as fields."""
    given = [signature[name] for name in signature.keys] if keys else []
    made = [
        Field(name, output.dtype if output.dtype != "category" else "string")
        for name, output in signature.answers.items()
    ]
    return (*given, Field("prediction_id", "string"), *made)


def batch_rows(run: BatchRun, signature: Signature) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Read a run's rows, part by part: the inputs, and `prediction_id` with the outputs.

    The index of both counts the input's rows.
    """
    outputs = _outputs(run, signature)
    waiting = next(outputs, None)
    for chunk in read_chunks(Path(run.input_path), signature.inputs):
        while waiting is not None and waiting.index[0] <= chunk.raw.index[-1]:
            here = waiting[waiting.index <= chunk.raw.index[-1]]
            yield chunk.frame.loc[here.index], here
            waiting = waiting.iloc[len(here) :] if len(here) < len(waiting) else next(outputs, None)


def _outputs(run: BatchRun, signature: Signature) -> Iterator[pd.DataFrame]:
    for chunk in read_chunks(Path(run.output_path), output_fields(signature, keys=False)):
        frame = chunk.frame
        if len(frame):
            frame.index = frame["prediction_id"].str.rpartition(_SEPARATOR)[2].astype("int64").to_numpy()
            yield frame
