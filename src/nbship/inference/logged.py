"""Log predictions: every prediction is durable before the caller receives it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import InvalidInputError
from ..model.signature import Signature
from ..prediction_log import PendingCommit, PredictionLog, Record, as_json, new_id, store_rejected, store_row
from ..predictor import ModelId, Package, Predictions, Predictor, RecordPredictions
from .pending import PendingPredictions, predict_together

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Logged", "output_records"]

# The first rows of a rejected request are logged for diagnosis, up to this number of characters and rows.
_MAX_REJECTED, _MOST_REJECTED = 20_000, 100


@dataclass
class Logged:
    """A predictor that logs every prediction and every rejected request before it returns.

    Attributes
    ----------
    predictor, log
        The predictor, and its log.
    mode, caller
        The interface (`rest`, `app` or `python`), and the default caller.
    """

    predictor: Predictor
    log: PredictionLog
    mode: str = "python"
    caller: str = "local"

    @property
    def package(self) -> Package:
        """The package on pages and in cards."""
        return self.predictor.package

    @property
    def models(self) -> Sequence[ModelId]:
        """The models that may predict."""
        return self.predictor.models

    @property
    def quick(self) -> bool:
        """Whether predicting a few rows, without logging them, takes only microseconds."""
        return self.predictor.quick

    @property
    def signature(self) -> Signature:
        """The model's inputs and outputs."""
        return self.package.signature

    def predict_unlogged(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[dict[str, Any]]:
        """Return the outputs of rows, for examples on pages; nothing is logged."""
        return self.predictor.predict_records(rows).outputs

    def predict(self, rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> Predictions:
        """Predict; return when the predictions are durable.

        Raises
        ------
        InvalidInputError
            If rows do not fit the signature.
        LogError
            If the log cannot be written; no prediction is returned then.
        """
        records: Sequence[Any] = rows if isinstance(rows, Sequence) else rows.to_dict("records")
        pending = self.begin(records)
        pending.wait()
        return Predictions.of_records(pending.predicted.outputs)

    def respond(self, rows: Sequence[Mapping[str, Any]], *, caller: str | None = None) -> list[dict[str, Any]]:
        """Predict as `predict` does; return the response for each row: id, model, version and outputs."""
        pending = self.begin(rows, caller=caller)
        pending.wait()
        return pending.responses()

    def begin(
        self, rows: Sequence[Mapping[str, Any]], *, caller: str | None = None, trace: str | None = None
    ) -> PendingPredictions:
        """Predict, and queue the records; the predictions may be returned once their `commit` is done.

        Rejected requests are logged too; `PendingPredictions.check` raises their error.

        Raises
        ------
        LogError
            If the log is closed.
        """
        pending = self.prepare(rows, caller=caller, trace=trace)
        predict_together([pending])
        if pending.commit is None and pending.error is not None:
            raise pending.error
        return pending

    def prepare(
        self, rows: Sequence[Mapping[str, Any]], *, caller: str | None = None, trace: str | None = None
    ) -> PendingPredictions:
        """Return predictions that are still to be made, with others: see `predict_together`."""
        return PendingPredictions(self, rows, caller or self.caller, trace)

    def submit(self, pending: PendingPredictions, predicted: RecordPredictions, *, latency: float) -> None:
        """Queue the records of predictions that took `latency` milliseconds."""
        pending.predicted = predicted
        pending.ids, pending.commit = self._submit(pending.rows, predicted, pending.caller, latency, pending.trace)

    def submit_rejected(self, pending: PendingPredictions, error: Exception, *, latency: float) -> None:
        """Queue the record of a rejected request."""
        pending.error = error
        rejected = self._rejected(pending.rows, error, pending.caller, latency, pending.trace)
        pending.commit = self.log.submit([rejected])

    def predict_records(self, rows: Sequence[Mapping[str, Any]]) -> RecordPredictions:
        """Predict as `predict` does; return plain values, and the model of each record."""
        pending = self.begin(rows)
        pending.wait()
        return pending.predicted

    def predict_each(self, records: Sequence[Mapping[str, Any]]) -> list[RecordPredictions | None]:
        """Return None for each record: `predict_records` logs it."""
        return [None] * len(records)

    def _submit(
        self,
        rows: Sequence[Mapping[str, Any]],
        predicted: RecordPredictions,
        caller: str,
        latency: float,
        trace: str | None,
    ) -> tuple[Sequence[str], PendingCommit[Any]]:
        """Queue the records of rows; return their ids."""
        records = [
            self._record(row, outputs, model, caller, latency, trace)
            for row, outputs, model in zip(rows, predicted.outputs, predicted.models, strict=True)
        ]
        return [record.id for record in records], self.log.submit(records)

    def _record(
        self,
        row: Mapping[str, Any],
        outputs: Mapping[str, Any],
        model: ModelId,
        caller: str,
        latency: float,
        trace: str | None,
    ) -> Record:
        stored = store_row(row, self.signature, salt=self.log.salt)
        return Record(
            id=new_id(), at=datetime.now(UTC), model=model.name, version=model.version, digest=model.digest,
            caller=caller, mode=self.mode, inputs=stored.inputs, outputs=as_json(outputs), error=None,
            latency_ms=latency, keys=stored.keys, event_time=stored.event_time, event_zone=stored.event_zone,
            redacted=stored.redacted, trace=trace,
        )  # fmt: skip

    def _rejected(
        self, rows: Sequence[Mapping[str, Any]], error: Exception, caller: str, latency: float, trace: str | None
    ) -> Record:
        inputs, count = _first_rows(rows, self.signature, salt=self.log.salt)
        model = self.package.id
        return Record(
            id=new_id(), at=datetime.now(UTC), model=model.name, version=model.version, digest=model.digest,
            caller=caller, mode=self.mode, inputs=inputs, outputs=None,
            error=as_json(_describe(error, count, personal=bool(self.signature.personal)) | ({"rows": len(rows)} if len(rows) > 1 else {})), latency_ms=latency, redacted=self.signature.personal,
            trace=trace,
        )  # fmt: skip


def output_records(predictions: Predictions) -> Iterator[dict[str, Any]]:
    """Yield the outputs of each row as plain values."""
    columns = {kind: column.tolist() for kind, column in predictions.columns().items()}
    return (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))


def _first_rows(rows: Sequence[Mapping[str, Any]], signature: Signature, *, salt: bytes) -> tuple[str, int]:
    """Return what the log stores of the first rows of a rejected request as JSON, and their number."""
    stored: list[str] = []
    size = 0
    for row in rows[:_MOST_REJECTED]:
        known = store_rejected(row, signature, salt=salt)
        stored.append(msgspec.json.encode(known, enc_hook=str).decode("utf-8", "replace"))
        size += len(stored[-1])
        if size > _MAX_REJECTED:
            stored.pop()
            break
    return f"[{','.join(stored)}]", len(stored)


def _describe(error: Exception, stored: int, *, personal: bool) -> dict[str, Any]:
    """Return what the log stores of an error; a reason may quote the row, so it is only stored with the row."""
    if isinstance(error, InvalidInputError):
        fields = [
            {
                "row": wrong.row,
                "field": wrong.field,
                "reason": wrong.reason if (wrong.row or 0) < stored else "is not valid",
            }
            for wrong in error.failures[:100]
        ]
        return {"code": "invalid_input", "fields": fields}
    # The message of another exception may quote a personal value.
    return {"code": "internal", "message": type(error).__name__ + ("" if personal else f": {error}"[:1000])}
