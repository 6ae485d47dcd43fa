"""Export the prediction log, and delete the records of a data subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic_write import replacing
from ..errors import InputFailure, InvalidInputError, SourceError
from ..model.signature import Field, Signature
from ..tabular import TableWriter, writing
from .forgetting import Subject
from .log import PredictionLog
from .records import Label

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["belongs_to", "export_records", "forget_subject"]

_SUFFIX = ".parquet"


def export_records(
    log: PredictionLog, path: Path, *, start: datetime | None = None, end: datetime | None = None
) -> int:
    """Write the records of a window, by time of prediction, to a Parquet file. Return their number.

    The file appears atomically. Its columns are those of `Record` (`inputs`, `outputs`, `error` and `keys` as JSON,
    timestamps in UTC) and `label`: the latest label for the id or keys as JSON, or null.

    Raises
    ------
    SourceError
        If the file cannot be written.
    """
    import pandas as pd

    if path.suffix != _SUFFIX:
        raise SourceError(f"'{path}' is not a {_SUFFIX} file. Give a path that ends with {_SUFFIX}.")
    if path.is_dir():
        raise SourceError(f"'{path}' is a folder. Give the path of a file.")
    labels = {label.prediction_id or label.keys: (number, label) for number, label in enumerate(log.labels())}
    count = 0
    with writing(path.absolute().parent), replacing(path, durable=True) as temporary:
        writer = TableWriter(temporary, suffix=_SUFFIX)
        for part in log.chunks(start, end):
            rows = [{**record._asdict(), "label": _latest(labels, record.id, record.keys)} for record in part]
            writer.write(_table(pd.DataFrame(rows)[list(_TYPES)]))
            count += len(rows)
        if not count:
            writer.write(_table(pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _TYPES.items()})))
        writer.close()
    return count


_STRINGS = (
    "id", "model", "version", "digest", "caller", "mode", "inputs", "outputs", "error", "keys", "event_zone", "trace",
    "role", "label",
)  # fmt: skip
_TYPES = {
    **dict.fromkeys(_STRINGS, "str"),
    **dict.fromkeys(("at", "event_time"), "datetime64[us, UTC]"),
    "latency_ms": "float64",
}


def _table(frame: pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pandas(frame.astype(_TYPES), preserve_index=False)


def _latest(labels: Mapping[str | None, tuple[int, Label]], id: str, keys: str | None) -> str | None:
    found = [label for label in (labels.get(id), labels.get(keys) if keys else None) if label is not None]
    # By their order in the log, not by time: a clock may be put back.
    return max(found)[1].label if found else None


def forget_subject(log: PredictionLog, signature: Signature, fields: Mapping[str, str]) -> int:
    """Delete all records with one of these inputs, and their labels. Return the number of deleted records.

    Values are compared by value, not by text. Once the function returns, SQLite files no longer hold their bytes.

    Parameters
    ----------
    fields
        Name of an input -> its value as text. For a personal field, records with its pseudonym are found.

    Raises
    ------
    InvalidInputError
        If a value does not fit its field.
    LogError
        If the log cannot be written, or another process reads it for so long that bytes remain in its files.
    """
    return log.forget(belongs_to(signature, fields, salt=log.salt))


def belongs_to(signature: Signature, fields: Mapping[str, str], *, salt: bytes) -> Callable[[Mapping[str, Any]], bool]:
    """Return a function that tells whether a row has one of these values.

    Raises
    ------
    InvalidInputError
        If a value does not fit its field.
    """
    subjects = [_subject(signature[name], text, salt) for name, text in fields.items()]
    return lambda row: any(subject.is_in(row) for subject in subjects)


def _subject(field: Field, text: str, salt: bytes) -> Subject:
    try:
        return Subject(field, text, salt=salt)
    except ValueError as error:
        raise InvalidInputError([InputFailure(None, field.name, str(error))]) from error
