"""Read the predictions of a window in parts, so that the memory for a window does not grow with its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...errors import LogError
from ...model.signature import Signature
from ..batches import batch_rows, intact_run
from ..key_columns import keys_of_frame
from ..log import PredictionLog
from ..records import BatchRun
from ..rows import NO_PREDICTIONS, LoggedColumns
from .labelled import labels_of_rows
from .record_columns import RecordColumns, strings, timestamps

if TYPE_CHECKING:
    import pandas as pd

    from ...model.signature import Column

__all__ = ["Part", "Parts", "input_column", "require_event_time"]

# Columns of the result; an input with one of these names gets the prefix `input_`.
_RESERVED = {
    *("prediction_id", "event_time", "answered_at", "mode", "caller", "version"),
    *("label", "probability", "value", "actual", "actual_time"),
}


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


def _one_ahead(parts: Iterator[Part]) -> Iterator[Part]:
    """Yield parts while a thread reads the next one: databases and files are read without the interpreter's lock."""
    with ThreadPoolExecutor(1, thread_name_prefix="nbship-read") as thread:
        following = thread.submit(next, parts, None)
        while (part := following.result()) is not None:
            following = thread.submit(next, parts, None)
            yield part


def input_column(name: str) -> str:
    """Return the name of an input's column among those of the log.

    >>> input_column("size"), input_column("mode")
    ('size', 'input_mode')
    """
    return f"input_{name}" if name in _RESERVED else name


class Part(NamedTuple):
    """Some predictions of a window.

    Attributes
    ----------
    source
        0 for records, which come in the order of event times and ids; 1, 2, … for batch runs in the order of their ids.
    frame
        The columns of `predictions`. The index of a batch run's frame is the row number in its input.
    absent
        Looked-up input -> mask of the rows that left it out, so that the model saw the value of its lookup. In other
        rows, null is what the model saw.
    """

    source: int
    frame: pd.DataFrame
    absent: Mapping[str, Column]


class Parts:
    """The predictions of a window, read in parts of bounded size each time that they are iterated over.

    There is at least one part, which may be empty.

    Parameters
    ----------
    coded
        Whether categories may be returned as pandas categoricals, which are read and counted faster than strings.

    Attributes
    ----------
    unreadable
        After reading, messages about the batch runs in the window whose files are missing or were changed.
    """

    def __init__(
        self, log: PredictionLog, signature: Signature, *, start: datetime, end: datetime, coded: bool = False
    ) -> None:
        require_event_time(signature)
        self._log, self._signature, self._start, self._end, self._coded = log, signature, start, end, coded
        self._columns = RecordColumns(signature, coded=coded)
        # What a record drops is not in it, though the model saw it.
        self._looked_up = [one.name for one in signature.inputs if one.lookup and one.pii != "drop"]
        self.unreadable: list[str] = []

    def __iter__(self) -> Iterator[Part]:
        return _one_ahead(self._parts())

    def _parts(self) -> Iterator[Part]:
        self.unreadable = []
        records = self._log.prediction_columns(self._start, self._end)
        first = self._of_records(next(records, NO_PREDICTIONS))
        yield first
        yield from map(self._of_records, records)
        for number, run in enumerate(self._runs(), start=1):
            for frame in self._of_run(run):
                absent = {name: np.full(len(frame), input_column(name) not in frame) for name in self._looked_up}
                yield Part(number, self._completed(frame, list(first.frame.columns)), absent)

    def _runs(self) -> Iterator[BatchRun]:
        grouped: dict[str, list[BatchRun]] = {}
        for run in self._log.batches(self._start, self._end):
            grouped.setdefault(run.id, []).append(run)
        readable = []
        for runs in grouped.values():
            try:
                readable.append(intact_run(runs))
            except LogError as error:
                self.unreadable.append(str(error))
        yield from sorted(readable, key=lambda run: run.id)

    def _of_records(self, logged: LoggedColumns) -> Part:
        import pandas as pd

        columns, absent = self._columns.inputs(logged, self._looked_up)
        named = {input_column(name): values for name, values in columns.items()}
        named |= self._columns.outputs(logged)
        named |= {
            "event_time": timestamps(logged.event_time),
            "mode": self._columns.names(logged.mode),
            "caller": self._columns.names(logged.caller),
            "version": self._columns.names(logged.version),
            "prediction_id": strings(logged.id),
            "answered_at": timestamps(logged.at),
            **self._labels(logged.id, logged.keys),
        }
        return Part(0, pd.DataFrame(named, copy=False), absent)

    def _of_run(self, run: BatchRun) -> Iterator[pd.DataFrame]:
        import pandas as pd

        signature = self._signature
        for inputs, outputs in batch_rows(run, signature, coded=self._coded):
            times = inputs[str(signature.event_time)]
            here = (times >= self._start) & (times < self._end)
            if not here.all():
                inputs, outputs = inputs[here], outputs[here]
            if len(inputs):
                typed = inputs.drop(columns=_pseudonyms(inputs, signature))
                frame = pd.concat([typed.rename(columns=input_column), outputs], axis=1).assign(
                    event_time=inputs[str(signature.event_time)],
                    answered_at=pd.Timestamp(run.at).as_unit("us"),
                    mode="batch",
                    caller=run.caller,
                    version=run.version,
                )
                keys = keys_of_frame(inputs, signature, salt=self._log.salt)
                yield frame.assign(**self._labels(outputs["prediction_id"].tolist(), keys))

    def _completed(self, frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
        """Return the rows of a batch run with null in the columns that its input does not have."""
        import pandas as pd

        texts = {input_column(one.name) for one in self._signature.inputs if one.dtype in ("string", "category")}
        times = {input_column(one.name) for one in self._signature.inputs if one.dtype == "datetime"}
        for name in columns:
            if name not in frame and name in texts:
                frame[name] = pd.Series(None, index=frame.index, dtype=object)
            elif name not in frame and name in times:
                frame[name] = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us, UTC]")
        return frame.reindex(columns=columns)

    def _labels(self, ids: Sequence[str], keys: Sequence[str | None]) -> dict[str, Any]:
        """Return the columns `actual` and `actual_time`, from the labels for ids and key columns."""
        actual, times = labels_of_rows(self._log, ids, keys)
        return {"actual": actual, "actual_time": timestamps(times)}


def _pseudonyms(inputs: pd.DataFrame, signature: Signature) -> list[str]:
    """Return the columns that hold pseudonyms where numbers or timestamps are expected; they become null."""
    fields = [field for field in signature.inputs if field.pii and field.dtype not in ("string", "category")]
    return [field.name for field in fields if field.name in inputs and inputs[field.name].dtype.kind == "O"]
