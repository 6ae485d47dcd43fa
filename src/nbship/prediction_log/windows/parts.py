"""Read the predictions of a window in parts, so that the memory for a window does not grow with its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
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
from .record_columns import NULL_TIME, RecordColumns, strings, timestamps

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
    measured
        Return what measures need, faster: frames without `prediction_id`, `answered_at` and `caller`, and with strings as
        pandas categoricals where that is how they are read.
    share
        (k, n): only the records of the k-th of n equal intervals of the window, from 0, and every n-th batch run. The shares
        can be read at the same time.

    Attributes
    ----------
    unreadable
        After reading, messages about the batch runs in the window whose files are missing or were changed.
    """

    def __init__(
        self,
        log: PredictionLog,
        signature: Signature,
        *,
        start: datetime,
        end: datetime,
        measured: bool = False,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        require_event_time(signature)
        self._log, self._signature, self._start, self._end, self._measured = log, signature, start, end, measured
        self._share = share
        self._columns = RecordColumns(signature, coded=measured)
        # What a record drops is not in it, though the model saw it.
        self._looked_up = [one.name for one in signature.inputs if one.lookup and one.pii != "drop"]
        self.unreadable: list[str] = []

    def __iter__(self) -> Iterator[Part]:
        self.unreadable = []
        number, count = self._share
        # Clocks change within a window: an interval of instants is one in UTC.
        start, end = self._start.astimezone(UTC), self._end.astimezone(UTC)
        bounds = [*(start + (end - start) * part / count for part in range(count)), end]
        records = self._log.prediction_columns(bounds[number], bounds[number + 1], measured=self._measured)
        first = self._of_records(next(records, NO_PREDICTIONS))
        yield first
        yield from map(self._of_records, records)
        for source, run in enumerate(self._runs(), start=1):
            if source % count != number:
                continue
            yield from self._of_run(run, source, list(first.frame.columns))

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
            "version": self._columns.names(logged.version),
            **self._labels(logged.id, logged.keys),
        }
        if not self._measured:
            named |= {
                "prediction_id": strings(logged.id),
                "answered_at": timestamps(logged.at),
                "caller": self._columns.names(logged.caller),
            }
        return Part(0, pd.DataFrame(named, copy=False), absent)

    def _of_run(self, run: BatchRun, source: int, columns: Sequence[str]) -> Iterator[Part]:
        import pandas as pd

        signature = self._signature
        for inputs, outputs in batch_rows(run, signature, coded=self._measured):
            times = inputs[str(signature.event_time)]
            here = (times >= self._start) & (times < self._end)
            if not here.all():
                inputs, outputs, times = inputs[here], outputs[here], times[here]
            if not len(inputs):
                continue
            unreadable = _pseudonyms(inputs, signature)
            found: dict[str, Any] = {
                input_column(str(name)): values.array for name, values in inputs.items() if name not in unreadable
            }
            absent = {name: np.full(len(inputs), input_column(name) not in found) for name in self._looked_up}
            keys = keys_of_frame(inputs, signature, salt=self._log.salt)
            ids = outputs["prediction_id"]
            found |= {str(name): values.array for name, values in outputs.items()}
            found |= {
                "event_time": times.array,
                "answered_at": pd.Timestamp(run.at).as_unit("us"),
                "mode": "batch",
                "caller": run.caller,
                "version": run.version,
                **self._labels(ids.tolist(), keys),
            }
            named = {name: found[name] if name in found else self._nulls(name, len(inputs)) for name in columns}
            yield Part(source, pd.DataFrame(named, index=inputs.index, copy=False), absent)

    def _nulls(self, name: str, number: int) -> Any:
        """Return the nulls of a column that a batch run's input does not have."""
        kinds = {input_column(one.name): one.dtype for one in self._signature.inputs}
        if kinds.get(name) == "datetime":
            return timestamps([NULL_TIME] * number)
        return strings([None] * number) if kinds.get(name) in ("string", "category") else np.full(number, np.nan)

    def _labels(self, ids: Sequence[str], keys: Sequence[str | None]) -> dict[str, Any]:
        """Return the columns `actual` and `actual_time`, from the labels for ids and key columns."""
        actual, times = labels_of_rows(self._log, ids, keys)
        return {"actual": actual, "actual_time": timestamps(times)}


def _pseudonyms(inputs: pd.DataFrame, signature: Signature) -> list[str]:
    """Return the columns that hold pseudonyms where numbers or timestamps are expected; they become null."""
    fields = [field for field in signature.inputs if field.pii and field.dtype not in ("string", "category")]
    return [field.name for field in fields if field.name in inputs and inputs[field.name].dtype.kind == "O"]
