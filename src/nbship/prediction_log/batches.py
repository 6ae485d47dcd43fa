"""Read the rows of a batch run from its files, whose digests are checked first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..errors import LogError, SourceError, UnknownPredictionError
from ..model.signature import Field, Signature
from ..tabular import Source, digest_of, read_chunks
from .log import PredictionLog
from .records import BatchRun
from .redaction import stored_fields

if TYPE_CHECKING:
    import pandas as pd

    from ..model.signature import Column

__all__ = ["batch_rows", "digest_of", "find_run", "intact_run", "output_fields", "row_id", "split_id"]

_SEPARATOR = "-"
# Larger chunks are read little faster, and take more memory than all else.
_ROWS = 10000


def row_id(run: str, number: int) -> str:
    """Return the prediction id of a row of a batch run.

    >>> row_id("b0123456789abcdef", 7), split_id("b0123456789abcdef-7")
    ('b0123456789abcdef-7', ('b0123456789abcdef', 7))
    """
    return f"{run}{_SEPARATOR}{number}"


def split_id(id: str) -> tuple[str, int] | None:
    """Return the batch run's id and the row number of a prediction id, or None for other prediction ids."""
    run, _, number = id.rpartition(_SEPARATOR)
    if len(run) != 17 or run[0] != "b" or not number.isdecimal() or len(number) > 15:
        return None
    return run, int(number)


def find_run(log: PredictionLog, id: str) -> tuple[BatchRun, int]:
    """Return the batch run of a prediction id, and the row number.

    Raises
    ------
    UnknownPredictionError
        If the log has no such run.
    LogError
        If a file of the run is missing or was changed.
    """
    parts = split_id(id)
    runs = log.batch(parts[0]) if parts else []
    if parts is None or not runs:
        raise UnknownPredictionError(
            f"The prediction log has no record '{id}'. Use an id from a response, or from the column 'prediction_id' of a batch output.",
            id=id,
        )
    return intact_run(runs), parts[1]


def intact_run(runs: list[BatchRun]) -> BatchRun:
    """Return the newest of a batch's runs whose files are unchanged.

    Raises
    ------
    LogError
        If there is none.
    """
    for run in runs:
        if _file_problem(run) is None:
            return run
    raise LogError(
        f"The batch run of {runs[0].at:%Y-%m-%d %H:%M} UTC cannot be read: {_file_problem(runs[0])}. "
        "Restore the file, or run 'nbship predict' on the same input again."
    )


def _file_problem(run: BatchRun) -> str | None:
    for path, digest in ((run.input_path, run.input_digest), (run.output_path, run.output_digest)):
        try:
            if _digest_at(path, Source.parse(path).stats()) != digest:
                return f"'{path}' was changed"
        except (OSError, SourceError):
            return f"'{path}' is missing"
    return None


@lru_cache(maxsize=256)
def _digest_at(path: str, stats: tuple[tuple[int, ...], ...]) -> str:
    # Reports check the same files again and again; size and time of a change are part of the cache key.
    return Source.parse(path).digest()


def output_fields(signature: Signature, path: str, *, keys: bool = True) -> tuple[Field, ...]:
    """Return the columns of the output of a batch run, as fields with which it is read."""
    stored = {field.name: field for field in stored_fields(path, signature)} if keys else {}
    key_fields = [stored[name] for name in signature.keys] if keys else []
    outputs = [
        Field(name, output.dtype if output.dtype != "category" else "string")
        for name, output in signature.output_columns.items()
    ]
    return (*key_fields, Field("prediction_id", "string"), *outputs)


def batch_rows(
    run: BatchRun, signature: Signature, *, coded: bool = False
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Read a run's rows in chunks: a frame of inputs, and a frame of `prediction_id` and outputs.

    The index of both is the row number in the input. Categories may be categoricals if `coded`.
    """
    outputs = _outputs(run, signature)
    following = next(outputs, None)
    # Input and output are chunked differently: the output lacks the rejected rows.
    fields = stored_fields(run.input_path, signature)
    for chunk in read_chunks(Source.parse(run.input_path), fields, rows=_ROWS, coded=coded):
        while following is not None and following.index[0] < chunk.index.stop:
            count = int(following.index.searchsorted(chunk.index.stop))
            # A forgotten row is null in the input, and may still be in an output that the user owns.
            places = chunk.frame.index.get_indexer(following.index[:count])
            present = places >= 0
            yield _taken(chunk.frame, places[present]), _taken(following, np.flatnonzero(present))
            following = following.iloc[count:] if count < len(following) else next(outputs, None)


def _taken(frame: pd.DataFrame, places: Column) -> pd.DataFrame:
    """Return the rows at ascending places, without a copy if they follow one another."""
    if not len(places):
        return frame.iloc[:0]
    first, last = int(places[0]), int(places[-1])
    return frame.iloc[first : last + 1] if last - first + 1 == len(places) else frame.take(places)


def _outputs(run: BatchRun, signature: Signature) -> Iterator[pd.DataFrame]:
    import pandas as pd

    for chunk in read_chunks(
        Source.parse(run.output_path), output_fields(signature, run.output_path, keys=False), rows=_ROWS
    ):
        frame = chunk.frame
        if len(frame):
            ids = frame["prediction_id"].tolist()
            # The ids of a run differ in the row number only.
            start = len(ids[0].rpartition(_SEPARATOR)[0]) + 1
            frame.index = pd.Index(np.array([int(id[start:]) for id in ids], dtype=np.int64))
            yield frame
