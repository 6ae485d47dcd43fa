"""What stands around a predictor in service: `Logged` makes every prediction durable before it is given."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import InvalidInputError
from ..model.signature import Signature
from ..prediction_log import PendingCommit, PredictionLog, Record, as_json, new_id, pseudonym, store_row
from ..predictor import ModelId, Package, Predictions, Predictor, RecordPredictions

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Logged", "PendingPredictions", "output_records"]

# A refused request is kept to see what went wrong, not to fill the disk.
_MOST_REFUSED = 20_000
_NOTHING = RecordPredictions((), ())


@dataclass
class Logged:
    """A predictor whose every answer and refusal is in the log before anybody sees it.

    Attributes
    ----------
    predictor, log
        What answers, and where it is logged.
    mode, caller
        Through what it is asked (`rest`, `app`, `python`), and by whom unless a call says so.
    """

    predictor: Predictor
    log: PredictionLog
    mode: str = "python"
    caller: str = "local"

    @property
    def package(self) -> Package:
        """The package that is shown to people."""
        return self.predictor.package

    @property
    def models(self) -> Sequence[ModelId]:
        """The models that may predict."""
        return self.predictor.models

    @property
    def quick(self) -> bool:
        """Whether a few rows take microseconds, before they are logged."""
        return self.predictor.quick

    @property
    def signature(self) -> Signature:
        """What the model takes and gives."""
        return self.package.signature

    def predict_unlogged(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[dict[str, Any]]:
        """Return the outputs for rows that no caller asked for, as examples; nothing is logged."""
        return self.predictor.predict_records(rows).outputs

    def predict(self, rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> Predictions:
        """Predict, and return when the predictions are durable.

        Raises
        ------
        InvalidInputError
            If rows break the signature.
        LogError
            If the log cannot be written; there is no answer then.
        """
        records: Sequence[Any] = rows if isinstance(rows, Sequence) else rows.to_dict("records")
        pending = self.begin(records)
        pending.wait()
        return Predictions.of_records(pending.predicted.outputs)

    def respond(self, rows: Sequence[Mapping[str, Any]], *, caller: str | None = None) -> list[dict[str, Any]]:
        """Predict as `predict` does; return for each row what a client gets: id, model, version and outputs."""
        pending = self.begin(rows, caller=caller)
        pending.wait()
        return pending.responses()

    def begin(
        self, rows: Sequence[Mapping[str, Any]], *, caller: str | None = None, trace: str | None = None
    ) -> PendingPredictions:
        """Predict; what is returned may be shown when the log has settled its `commit`.

        A refusal is logged too, and raised by `PendingPredictions.check` then.

        Raises
        ------
        LogError
            If the log is closed.
        """
        started = time.perf_counter()
        by = caller or self.caller
        try:
            predicted = self.predictor.predict_records(rows)
        except Exception as error:
            refusal = self._refusal(rows, error, by, _milliseconds(started), trace)
            return PendingPredictions(self, (), self.log.submit([refusal]), error)
        latency = _milliseconds(started)
        ids, commit = self._submit(rows, predicted, by, latency, trace)
        return PendingPredictions(self, ids, commit, None, predicted)

    def predict_records(self, rows: Sequence[Mapping[str, Any]]) -> RecordPredictions:
        """Predict for records as `predict` does, and say of each which model predicted."""
        pending = self.begin(rows)
        pending.wait()
        return pending.predicted

    def _submit(
        self,
        rows: Sequence[Mapping[str, Any]],
        predicted: RecordPredictions,
        caller: str,
        latency: float,
        trace: str | None,
    ) -> tuple[Sequence[str], PendingCommit[Any]]:
        """Give rows and their outputs to the log; return the ids of the records."""
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

    def _refusal(
        self, rows: Sequence[Mapping[str, Any]], error: Exception, caller: str, latency: float, trace: str | None
    ) -> Record:
        personal = self.signature.personal
        known = [
            {
                name: pseudonym(value, self.log.salt) if name in personal else value
                for name, value in row.items()
                if name in self.signature.names and self.signature[name].pii != "drop"
            }
            for row in rows[:100]
        ]
        inputs = msgspec.json.encode(known, enc_hook=str).decode("utf-8", "replace")
        model = self.package.id
        return Record(
            id=new_id(), at=datetime.now(UTC), model=model.name, version=model.version, digest=model.digest,
            caller=caller, mode=self.mode, inputs=inputs if len(inputs) <= _MOST_REFUSED else None, outputs=None,
            error=as_json(_describe(error)), latency_ms=latency, redacted=personal,
            trace=trace,
        )  # fmt: skip


@dataclass(slots=True)
class PendingPredictions:
    """What was predicted, or refused, and is not in the log yet.

    Attributes
    ----------
    ids, predicted
        Of the rows: prediction ids, and what was predicted by which model.
    commit
        Done when the records are on the disk.
    error
        Why there is no prediction; None where there is one.
    """

    by: Logged
    ids: Sequence[str]
    commit: PendingCommit[Any]
    error: Exception | None = None
    predicted: RecordPredictions = _NOTHING

    def wait(self) -> None:
        """Have it written; raise what keeps it from being an answer."""
        self.by.log.flush()
        self.check()

    def check(self) -> None:
        """Raise what keeps it from being an answer, once `commit` is done."""
        if self.error is not None:
            raise self.error
        self.commit.check()

    @property
    def version(self) -> str:
        """The version that predicted; where several did, all of them, sorted and separated by commas."""
        models = self.predicted.models
        if not models:
            return self.by.package.id.version
        first = models[0]
        if len(models) == 1 or all(model is first for model in models):
            return first.version
        return ",".join(sorted({model.version for model in models}))

    def responses(self) -> list[dict[str, Any]]:
        """Return for each row what a client gets: id, model, version and outputs."""
        rows = zip(self.ids, self.predicted.models, self.predicted.outputs, strict=True)
        return [{"id": id, "model": model.name, "version": model.version, **outputs} for id, model, outputs in rows]


def output_records(predictions: Predictions) -> Iterator[dict[str, Any]]:
    """Return each row's outputs, by kind, as plain values."""
    columns = {kind: column.tolist() for kind, column in predictions.columns().items()}
    return (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))


def _describe(error: Exception) -> dict[str, Any]:
    if isinstance(error, InvalidInputError):
        fields = [{"row": wrong.row, "field": wrong.field, "reason": wrong.reason} for wrong in error.failures[:100]]
        return {"code": "invalid_input", "fields": fields}
    return {"code": "internal", "message": f"{type(error).__name__}: {error}"[:1000]}


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
