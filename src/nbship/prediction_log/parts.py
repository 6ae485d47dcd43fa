"""Read the predictions of a window in parts, so that the memory for a window does not grow with its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from ..errors import LogError
from ..model.signature import Field, Signature
from .batches import batch_rows, intact_run
from .keys import keys_of_frame, to_utc
from .log import PredictionLog
from .records import BatchRun, Record, is_pseudonym, to_micros

if TYPE_CHECKING:
    import pandas as pd

    from ..model.signature import Column

__all__ = ["Part", "Parts", "input_column", "require_event_time"]

_ROWS, _TEXTS = 10_000, 50_000
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

    Attributes
    ----------
    unreadable
        After reading, messages about the batch runs in the window whose files are missing or were changed.
    """

    def __init__(self, log: PredictionLog, signature: Signature, *, start: datetime, end: datetime) -> None:
        require_event_time(signature)
        self._log, self._signature, self._start, self._end = log, signature, start, end
        self._texts: dict[str, str] = {}
        # What a record drops is not in it, though the model saw it.
        self._looked_up = [one.name for one in signature.inputs if one.lookup and one.pii != "drop"]
        self.unreadable: list[str] = []

    def __iter__(self) -> Iterator[Part]:
        self.unreadable = []
        records = self._log.records(self._start, self._end)
        first = self._of_records(list(islice(records, _ROWS)))
        yield first
        while some := list(islice(records, _ROWS)):
            yield self._of_records(some)
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

    def _of_records(self, records: Sequence[Record]) -> Part:
        import pandas as pd

        predicted = [one for one in records if one.outputs is not None and one.inputs is not None]
        names = self._signature.names
        decoded_inputs = _decode([one.inputs for one in predicted], names, absent=msgspec.UNSET)
        inputs = dict(zip(names, decoded_inputs, strict=True))
        absent = {
            name: np.array([one is msgspec.UNSET for one in inputs[name]], dtype=bool) for name in self._looked_up
        }
        columns: dict[str, Any] = {
            input_column(field.name): self._input(_without_unset(inputs[field.name]), field)
            for field in self._signature.inputs
        }
        outputs = self._signature.output_columns
        decoded = _decode([one.outputs for one in predicted], list(outputs))
        for (name, output), values in zip(outputs.items(), decoded, strict=True):
            columns[name] = self._column(values, output.dtype)
        columns |= {
            "event_time": _times([one.event_time for one in predicted]),
            "mode": [one.mode for one in predicted],
            "caller": [one.caller for one in predicted],
            "version": [one.version for one in predicted],
            "prediction_id": [one.id for one in predicted],
            "answered_at": _times([one.at for one in predicted]),
        }
        return Part(0, self._with_labels(pd.DataFrame(columns), [one.keys for one in predicted]), absent)

    def _input(self, given: Sequence[Any], field: Field) -> Any:
        if field.dtype != "datetime":
            return self._column(given, field.dtype)
        # Timestamps repeat: parsing one takes longer than the rest of its row. A pseudonym is a personal value.
        known = {value: None if value is None or is_pseudonym(value) else to_utc(value, field) for value in set(given)}
        return _times([known[value] for value in given])

    def _column(self, values: Sequence[Any], dtype: str) -> Any:
        import pandas as pd

        if dtype in ("string", "category"):
            # Equal strings of all parts are one object: an object takes more memory than the rest of its row.
            if len(self._texts) < _TEXTS:
                known = self._texts
                values = [known.setdefault(value, value) if isinstance(value, str) else value for value in values]
            return pd.Series(values, dtype=object)
        if dtype == "float" and set(map(type, values)) <= {float, int, type(None)}:
            return pd.Series(np.array(values, dtype="float64"))
        # A string in a numeric column is the pseudonym of a personal value.
        numbers = [float("nan") if value is None or isinstance(value, str) else value for value in values]
        complete = all(number == number for number in numbers)
        return pd.Series(
            numbers, dtype={"int": "int64", "bool": "bool"}.get(dtype, "float64") if complete else "float64"
        )

    def _of_run(self, run: BatchRun) -> Iterator[pd.DataFrame]:
        import pandas as pd

        signature = self._signature
        for inputs, outputs in batch_rows(run, signature):
            times = inputs[str(signature.event_time)]
            here = (times >= self._start) & (times < self._end)
            inputs, outputs = inputs[here], outputs[here]
            if len(inputs):
                typed = inputs.drop(columns=_pseudonyms(inputs, signature))
                frame = pd.concat([typed.rename(columns=input_column), outputs], axis=1).assign(
                    event_time=times[here],
                    answered_at=pd.Timestamp(run.at).as_unit("us"),
                    mode="batch",
                    caller=run.caller,
                    version=run.version,
                )
                yield self._with_labels(frame, keys_of_frame(inputs, signature, salt=self._log.salt))

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

    def _with_labels(self, frame: pd.DataFrame, keys: Sequence[str | None]) -> pd.DataFrame:
        """Return a frame with the columns `actual` and `actual_time`, from the labels for its ids and key columns."""
        import pandas as pd

        by_id = {id: row for row, id in enumerate(frame["prediction_id"].tolist())}
        by_key = _rows_by_key(keys)
        actual: list[Any] = [None] * len(frame)
        times: list[datetime | None] = [None] * len(frame)
        # A prediction may have labels by id and by key: the label that was reported last counts.
        for label in self._log.labels_of(by_id, by_key):
            value = msgspec.json.decode(label.label)
            by_label = by_id.get(label.prediction_id or "")
            for row in by_key.get(label.keys or "", ()) if by_label is None else (by_label,):
                actual[row], times[row] = value, label.time
        is_text = any(isinstance(each, str) for each in actual)
        return frame.assign(
            actual=pd.Series(actual, index=frame.index, dtype=object if is_text else "float64"),
            actual_time=pd.Series(_times(times), index=frame.index),
        )


def _decode(documents: Sequence[str | None], names: Sequence[str], *, absent: Any = None) -> Iterable[Sequence[Any]]:
    """Return the values of each name in JSON objects, `absent` where it is left out."""
    columns = {f"c{number}": name for number, name in enumerate(names)}
    # Python loops over values, which take most of the time of a report, are avoided.
    row = msgspec.defstruct("Row", [(column, Any, absent) for column in columns], rename=columns)
    rows = msgspec.json.decode(f"[{','.join(filter(None, documents))}]", type=list[row])  # type: ignore[valid-type]
    return zip(*map(msgspec.structs.astuple, rows), strict=True) if rows else [()] * len(names)


def _without_unset(values: Sequence[Any]) -> Sequence[Any]:
    return [None if value is msgspec.UNSET else value for value in values] if msgspec.UNSET in values else values


def _times(times: Sequence[datetime | None]) -> Any:
    """Return timestamps in UTC as a column."""
    import pandas as pd

    null = np.iinfo(np.int64).min
    micros = np.array([null if time is None else to_micros(time) for time in times], dtype=np.int64)
    return pd.DatetimeIndex(micros.view("datetime64[us]"), tz="UTC")


def _rows_by_key(keys: Sequence[str | None]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        if key is not None:
            rows.setdefault(key, []).append(row)
    return rows


def _pseudonyms(inputs: pd.DataFrame, signature: Signature) -> list[str]:
    """Return the columns that hold pseudonyms where numbers or timestamps are expected; they become null."""
    fields = [field for field in signature.inputs if field.pii and field.dtype not in ("string", "category")]
    return [field.name for field in fields if field.name in inputs and inputs[field.name].dtype.kind == "O"]
