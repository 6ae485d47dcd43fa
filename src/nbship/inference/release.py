"""What stands around a predictor in service: `Logged` makes every prediction durable before it is given."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import InvalidInputError, LogError
from ..model.signature import Signature
from ..prediction_log import PredictionLog, Record, new_id, pseudonym, store_row
from ..predictor import PackagePredictor, Predictions
from .golden import example_of, usual_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Logged", "answers_of", "as_json"]

# A refused request is kept to see what went wrong, not to fill the disk.
_MOST_REFUSED = 20_000


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

    predictor: PackagePredictor
    log: PredictionLog
    mode: str = "python"
    caller: str = "local"

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.predictor.name

    @property
    def version(self) -> str:
        """Version of the package."""
        return self.predictor.version

    @property
    def signature(self) -> Signature:
        """What the model takes and gives."""
        return self.predictor.signature

    @cached_property
    def example(self) -> dict[str, Any]:
        """A record that the model takes, as a client sends it."""
        return example_of(self.predictor)

    @cached_property
    def usual(self) -> float | None:
        """The mean probability of the rows that the model was judged by; None where it gives no such probability."""
        return usual_of(self.predictor)

    def foresee(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the outputs for rows that nobody asked for, as examples; nothing is logged."""
        return list(answers_of(self.predictor.predict(rows)))

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
        return self._logged(records, self.caller)[1]

    def answer(self, rows: Sequence[Mapping[str, Any]], *, caller: str | None = None) -> list[dict[str, Any]]:
        """Predict as `predict` does; return for each row what a client gets: id, model, version and outputs."""
        ids, predictions = self._logged(rows, caller or self.caller)
        about = {"model": self.name, "version": self.version}
        return [{"id": id, **about, **outputs} for id, outputs in zip(ids, answers_of(predictions), strict=True)]

    def _logged(self, rows: Sequence[Mapping[str, Any]], caller: str) -> tuple[list[str], Predictions]:
        started = time.perf_counter()
        try:
            predictions = self.predictor.predict(rows)
        except Exception as error:
            with suppress(LogError):
                self.log.append(self._refusal(rows, error, caller, _milliseconds(started)))
            raise
        latency = _milliseconds(started)
        records = [
            self._record(row, outputs, caller, latency)
            for row, outputs in zip(rows, answers_of(predictions), strict=True)
        ]
        self.log.append(*records)
        return [record.id for record in records], predictions

    def _record(self, row: Mapping[str, Any], outputs: Mapping[str, Any], caller: str, latency: float) -> Record:
        stored = store_row(row, self.signature, salt=self.log.salt)
        return Record(
            id=new_id(), at=datetime.now(UTC), model=self.name, version=self.version, digest=self.predictor.digest,
            caller=caller, mode=self.mode, inputs=stored.inputs, outputs=as_json(outputs), error=None,
            latency_ms=latency, keys=stored.keys, event_time=stored.event_time, event_zone=stored.event_zone,
            redacted=stored.redacted,
        )  # fmt: skip

    def _refusal(self, rows: Sequence[Mapping[str, Any]], error: Exception, caller: str, latency: float) -> Record:
        personal = {field.name for field in self.signature.inputs if field.pii}
        known = [
            {
                name: pseudonym(value, self.log.salt) if name in personal else value
                for name, value in row.items()
                if name in self.signature.names
            }
            for row in rows[:100]
        ]
        inputs = msgspec.json.encode(known, enc_hook=str).decode("utf-8", "replace")
        return Record(
            id=new_id(), at=datetime.now(UTC), model=self.name, version=self.version, digest=self.predictor.digest,
            caller=caller, mode=self.mode, inputs=inputs if len(inputs) <= _MOST_REFUSED else None, outputs=None,
            error=as_json(_describe(error)), latency_ms=latency, redacted=tuple(sorted(personal)),
        )  # fmt: skip


def answers_of(predictions: Predictions) -> Iterator[dict[str, Any]]:
    """Return each row's outputs, by kind, as plain values."""
    columns = {kind: column.tolist() for kind, column in predictions.columns().items()}
    return (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))


def as_json(content: Any) -> str:
    """Return the JSON text that is logged and compared: floats are written so that they are read again to the bit.

    >>> as_json({"label": 1, "probability": 0.1})
    '{"label":1,"probability":0.1}'
    """
    return msgspec.json.encode(content).decode()


def _describe(error: Exception) -> dict[str, Any]:
    if isinstance(error, InvalidInputError):
        fields = [{"row": wrong.row, "field": wrong.field, "reason": wrong.reason} for wrong in error.failures[:100]]
        return {"code": "invalid_input", "fields": fields}
    return {"code": "internal", "message": f"{type(error).__name__}: {error}"[:1000]}


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
