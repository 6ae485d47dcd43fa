"""Predict a logged row again with the same package, and compare the bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import InvalidInputError, LogError, UnknownPredictionError
from ..model.signature import Signature
from ..prediction_log import (
    BatchRun,
    PredictionLog,
    Record,
    as_json,
    batch_rows,
    find_run,
    is_redacted,
    redacted_fields,
    split_id,
)
from ..predictor import PackagePredictor
from .logged import output_records

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Replay", "find_logged", "replay"]


@dataclass(frozen=True)
class Replay:
    """A logged prediction and its replay.

    Attributes
    ----------
    record
        The record of the prediction, or of its batch run.
    inputs
        The row, as JSON.
    logged, again
        The outputs as JSON: as logged, and as predicted now.
    """

    id: str
    record: Record | BatchRun
    inputs: str
    logged: str
    again: str

    @property
    def same(self) -> bool:
        """Whether the outputs are identical."""
        return self.logged == self.again


def replay(log: PredictionLog, id: str, *, predictor: PackagePredictor) -> Replay:
    """Predict a logged row again.

    Raises
    ------
    UnknownPredictionError
        If the log has no prediction with this id.
    LogError
        If another package predicted, the request was rejected, or its personal inputs were not stored.
    """
    if split_id(id) is not None:
        return _replay_row(log, id, predictor)
    record = log.find(id)
    _check_package(record, predictor)
    if record.outputs is None or record.inputs is None:
        raise LogError(
            f"Record '{id}' is a rejected request, so there is no prediction to replay: {record.error}. Replay another id."
        )
    try:
        again = next(output_records(predictor.predict([msgspec.json.decode(record.inputs)])))
    except InvalidInputError as error:
        if not record.redacted:
            raise
        raise _not_stored(id, record.redacted[0]) from error
    found = Replay(id, record, record.inputs, record.outputs, as_json(again))
    if not found.same and record.redacted:
        raise _not_stored(id, record.redacted[0])
    return found


def find_logged(log: PredictionLog, id: str) -> Record | BatchRun:
    """Return the record of a prediction, or of its batch run.

    Raises
    ------
    UnknownPredictionError
        If the log has no such prediction.
    LogError
        If a file of the batch run is missing or was changed.
    """
    return log.find(id) if split_id(id) is None else find_run(log, id)[0]


def _not_stored(id: str, field: str) -> LogError:
    return LogError(
        f"Prediction '{id}' cannot be replayed: its input '{field}' is personal, so the log does not store its value. Replay a prediction without personal inputs."
    )


def _replay_row(log: PredictionLog, id: str, predictor: PackagePredictor) -> Replay:
    run, number = find_run(log, id)
    _check_package(run, predictor)
    found = _row(run, predictor.signature, number)
    if found is None:
        raise UnknownPredictionError(
            f"The batch run of '{id}' has no prediction for row {number}. Use an id from its output.", id=id
        )
    inputs, outputs = found
    logged = {name: outputs[name].tolist()[0] for name in predictor.signature.output_columns}
    personal = [field.name for field in redacted_fields(predictor.signature)]
    try:
        again = next(output_records(predictor.predict(inputs.reset_index(drop=True))))
    except InvalidInputError as error:
        if not personal:
            raise
        raise _not_stored(id, personal[0]) from error
    replayed = Replay(id, run, _as_json_row(inputs), as_json(logged), as_json({name: again[name] for name in logged}))
    if not replayed.same and is_redacted(run):
        raise _not_stored(id, personal[0])
    return replayed


def _row(run: BatchRun, signature: Signature, number: int) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    for inputs, outputs in batch_rows(run, signature):
        if number in outputs.index:
            return inputs.loc[[number]], outputs.loc[[number]]
    return None


def _as_json_row(frame: pd.DataFrame) -> str:
    row: Mapping[Any, Any] = frame.iloc[0].to_dict()
    return as_json({name: None if value != value else _plain(value) for name, value in row.items()})


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value.item() if hasattr(value, "item") else value


def _check_package(record: Record | BatchRun, predictor: PackagePredictor) -> None:
    if record.digest != predictor.digest:
        raise LogError(
            f"The prediction was made by version {record.version} of '{record.model}', but the package has version {predictor.version} of '{predictor.name}'. Pass the package with the digest {record.digest} with --package. If it was replaced, check out the commit that it was built from and run `nbship run`."
        )
