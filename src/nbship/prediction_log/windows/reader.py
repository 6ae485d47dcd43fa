"""Read the log as one table (the predictions of a window, from all sources, with their labels), and its latest event."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ...errors import LogError
from ...model.signature import Signature
from ..batches import batch_rows, intact_run
from ..log import PredictionLog
from ..records import BatchRun
from .parts import Parts, input_column, require_event_time

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["latest_event", "predictions"]

_LAST = datetime.max.replace(tzinfo=UTC)


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

    window = Parts(log, signature, start=start, end=end)
    parts = [part.frame for part in window]
    frame = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    # The parts and the whole together take twice the memory.
    parts.clear()
    for field in signature.inputs:
        # Booleans of a part with nulls are floats, which pandas combines with those of other parts to objects.
        if field.dtype == "bool" and frame[input_column(field.name)].dtype == object:
            frame[input_column(field.name)] = frame[input_column(field.name)].astype("float64")
    frame = frame.sort_values(["event_time", "prediction_id"], ignore_index=True)
    frame.attrs["unreadable"] = window.unreadable
    return frame


def latest_event(log: PredictionLog, signature: Signature, *, before: datetime) -> datetime | None:
    """Return the latest event time before a timestamp, or None; later events do not hide it, not even in one file.

    Raises
    ------
    LogError
        If the model has no event time, or the log cannot be read.
    """
    require_event_time(signature)
    # The log knows only the first and the last event of a batch run: the rows of a run around the timestamp are read.
    around = [run for run in log.batches(before, _LAST) if run.first_event is not None and run.first_event < before]
    times = [log.last_event(before), *(_latest_row(run, signature, before) for run in around)]
    return max((time for time in times if time is not None), default=None)


def _latest_row(run: BatchRun, signature: Signature, before: datetime) -> datetime | None:
    try:
        return max(_times_before(intact_run([run]), signature, before), default=run.first_event)
    except LogError:
        return run.first_event  # Its files are missing or were changed.


def _times_before(run: BatchRun, signature: Signature, before: datetime) -> Iterator[datetime]:
    for inputs, _ in batch_rows(run, signature):
        times = inputs[str(signature.event_time)]
        if (earlier := times < before).any():
            yield times[earlier].max().to_pydatetime()
