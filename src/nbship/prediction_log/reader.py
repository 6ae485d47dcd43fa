"""Read the log as one table: the predictions of a window, from all sources, with their labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import LogError
from ..model.signature import Field, Signature
from .batches import batch_rows, intact_run
from .keys import keys_of_frame, to_utc
from .log import PredictionLog
from .records import BatchRun, Record

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["predictions", "require_event_time"]

_ROWS, _TEXTS = 10_000, 50_000
_ABOUT = ("prediction_id", "event_time", "answered_at", "mode", "caller", "version")
# Columns of the result; an input with one of these names gets the prefix `input_`.
_RESERVED = {*_ABOUT, "label", "probability", "value", "actual", "actual_time"}


def require_event_time(signature: Signature) -> None:
    """Check that a model's predictions have windows.

    Raises
    ------
    LogError
        If the signature has no event time.
    """
    if signature.event_time is None:
        raise LogError(
            "The model's signature has no event time, so its predictions have no windows. Set 'event_time' in the signature."
        )


def predictions(log: PredictionLog, signature: Signature, *, start: datetime, end: datetime) -> pd.DataFrame:
    """Return the predictions whose event time lies in a window, with their labels.

    Parameters
    ----------
    start, end
        Timestamps with a time zone; `start` inclusive, `end` exclusive.

    Returns
    -------
    One row per prediction, sorted by event time and id, with the columns

    - of the signature's inputs, typed as `nbship.tabular` reads them (timestamps in UTC); inputs that were left out
      and looked up are null; personal values from REST and the app are pseudonyms; an input with the name of a
      column below is called `input_<name>`;
    - `prediction_id`, `event_time`, `answered_at` (both UTC), `mode` (rest, app, python, batch),
      `caller`, `version`;
    - `label` and `probability`, or `value`: the outputs;
    - `actual`: the latest label for the prediction's id or key columns, null if there is none; `actual_time`: when
      it became known, if that was reported.

    Rejected requests are left out. `frame.attrs["unreadable"]` lists messages about batch runs in the window whose
    files are missing or were changed; their rows are left out too.

    Raises
    ------
    LogError
        If the model has no event time, or the log cannot be read.
    """
    import pandas as pd

    require_event_time(signature)
    parts, unreadable = list(_from_records(log.records(start, end), signature, log)), []
    for runs in _by_id(log.batches(start, end)):
        try:
            run = intact_run(runs)
        except LogError as error:
            unreadable.append(str(error))
            continue
        parts += _from_batch(run, signature, log, start=start, end=end)
    columns = parts[0].columns
    frame = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    # The parts and the whole together take twice the memory.
    parts.clear()
    frame = frame.reindex(columns=columns).sort_values(["event_time", "prediction_id"], ignore_index=True)
    frame.attrs["unreadable"] = unreadable
    return frame


def _by_id(runs: Sequence[BatchRun]) -> list[list[BatchRun]]:
    grouped: dict[str, list[BatchRun]] = {}
    for run in runs:
        grouped.setdefault(run.id, []).append(run)
    return list(grouped.values())


def _from_records(records: Iterator[Record], signature: Signature, log: PredictionLog) -> Iterator[pd.DataFrame]:
    """Yield frames of records in parts, as a frame takes a small part of the memory; at least one, maybe an empty one."""
    texts: dict[str, str] = {}
    part = list(islice(records, _ROWS))
    yield _frame_of(part, signature, log, texts)
    while part := list(islice(records, _ROWS)):
        yield _frame_of(part, signature, log, texts)


def _frame_of(
    records: Sequence[Record], signature: Signature, log: PredictionLog, texts: dict[str, str]
) -> pd.DataFrame:
    import pandas as pd

    predicted = [record for record in records if record.outputs is not None and record.inputs is not None]
    inputs = [msgspec.json.decode(record.inputs or "{}") for record in predicted]
    outputs = [msgspec.json.decode(record.outputs or "{}") for record in predicted]
    columns: dict[str, Any] = {field.name: _input(inputs, field, texts) for field in signature.inputs}
    columns = {_name(name): column for name, column in columns.items()}
    for name, output in signature.output_columns.items():
        columns[name] = _column(outputs, name, output.dtype, texts)
    columns |= {
        name: [getattr(record, name) for record in predicted] for name in ("event_time", "mode", "caller", "version")
    }
    columns["prediction_id"] = [record.id for record in predicted]
    columns["answered_at"] = [record.at for record in predicted]
    frame = pd.DataFrame(columns)
    for name in ("event_time", "answered_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).dt.as_unit("us")
    return _with_labels(frame, [record.keys for record in predicted], log)


def _name(name: str) -> str:
    return f"input_{name}" if name in _RESERVED else name


def _input(rows: Sequence[dict[str, Any]], field: Field, texts: dict[str, str]) -> Any:
    import pandas as pd

    if field.dtype != "datetime":
        return _column(rows, field.name, field.dtype, texts)
    given = [row.get(field.name) for row in rows]
    times = [None if value is None else to_utc(value, field) for value in given]
    return pd.to_datetime(pd.Series(times, dtype=object), utc=True).dt.as_unit("us")


def _column(rows: Sequence[dict[str, Any]], name: str, dtype: str, texts: dict[str, str]) -> Any:
    import pandas as pd

    values = [row.get(name) for row in rows]
    if dtype in ("string", "category"):
        # Equal strings of all parts are one object: an object takes more memory than the rest of its row.
        if len(texts) < _TEXTS:
            values = [texts.setdefault(value, value) if isinstance(value, str) else value for value in values]
        return pd.Series(values, dtype=object)
    # A string in a numeric column is the pseudonym of a personal value.
    numbers = [float("nan") if isinstance(value, str) or value is None else value for value in values]
    complete = all(number == number for number in numbers)
    return pd.Series(numbers, dtype={"int": "int64", "bool": "bool"}.get(dtype, "float64") if complete else "float64")


def _from_batch(
    run: BatchRun, signature: Signature, log: PredictionLog, *, start: datetime, end: datetime
) -> Iterator[pd.DataFrame]:
    import pandas as pd

    for inputs, outputs in batch_rows(run, signature):
        times = inputs[str(signature.event_time)]
        here = (times >= start) & (times < end)
        inputs, outputs = inputs[here], outputs[here]
        if len(inputs):
            typed = inputs.drop(columns=_pseudonyms(inputs, signature))
            frame = pd.concat([typed.rename(columns=_name), outputs], axis=1).assign(
                event_time=times[here],
                answered_at=pd.Timestamp(run.at).as_unit("us"),
                mode="batch",
                caller=run.caller,
                version=run.version,
            )
            yield _with_labels(frame, keys_of_frame(inputs, signature, salt=log.salt), log)


def _pseudonyms(inputs: pd.DataFrame, signature: Signature) -> list[str]:
    """Return the columns that hold pseudonyms where numbers or timestamps are expected; they become null."""
    from pandas.api.types import is_string_dtype

    fields = [field for field in signature.inputs if field.pii and field.dtype not in ("string", "category")]
    return [field.name for field in fields if field.name in inputs and is_string_dtype(inputs[field.name])]


def _with_labels(frame: pd.DataFrame, keys: Sequence[str | None], log: PredictionLog) -> pd.DataFrame:
    """Return a frame with the columns `actual` and `actual_time`, from the labels for its ids and key columns."""
    import pandas as pd

    ids = frame["prediction_id"].tolist()
    labels = log.labels_of(ids, {key for key in keys if key is not None})
    by_id = {label.prediction_id: label for label in labels if label.prediction_id is not None}
    by_key = {label.keys: label for label in labels if label.keys is not None}
    order = {id(label): number for number, label in enumerate(labels)}
    # A prediction may have labels by id and by key: the label that was reported last counts.
    found = [
        max(
            (one for one in (by_id.get(row), by_key.get(key or "")) if one),
            key=lambda one: order[id(one)],
            default=None,
        )
        for row, key in zip(ids, keys, strict=True)
    ]
    actual = [None if label is None else msgspec.json.decode(label.label) for label in found]
    is_text = any(isinstance(each, str) for each in actual)
    times = [None if label is None else label.time for label in found]
    return frame.assign(
        actual=pd.Series(actual, index=frame.index, dtype=object if is_text else "float64"),
        actual_time=pd.to_datetime(pd.Series(times, index=frame.index, dtype=object), utc=True).dt.as_unit("us"),
    )
