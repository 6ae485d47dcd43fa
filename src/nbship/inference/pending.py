"""Predictions between their request and their response: to be made, then to be written to the log.

Requests that arrive together are predicted together, and each has its own outcome. For example, of three requests with one
record each, the second is not valid: the first and the third are predicted in one step, the second is rejected by itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from ..model.signature import Signature
from ..prediction_log import PendingCommit, PredictionLog
from ..predictor import Package, Predictor, RecordPredictions

__all__ = ["PendingPredictions", "predict_together"]

_NOTHING = RecordPredictions((), ())


class LoggedPredictor(Protocol):
    """A predictor with the log of its predictions: see `Logged`."""

    predictor: Predictor
    log: PredictionLog

    @property
    def package(self) -> Package: ...

    @property
    def signature(self) -> Signature: ...

    def submit(self, pending: PendingPredictions, predicted: RecordPredictions, *, latency: float) -> None: ...

    def submit_rejected(self, pending: PendingPredictions, error: Exception, *, latency: float) -> None: ...


class PendingPredictions(msgspec.Struct):
    """The rows of a request, then their predictions, whose records are queued for the log.

    Attributes
    ----------
    by
        The predictor with its log.
    rows, caller, trace
        The request.
    ids, predicted
        Prediction ids and predictions of the rows.
    commit
        The pending commit of the records; None before the prediction.
    error
        Why the request was rejected, or not logged; None if it was predicted.
    """

    by: LoggedPredictor
    rows: Sequence[Mapping[str, Any]]
    caller: str
    trace: str | None = None
    ids: Sequence[str] = ()
    commit: PendingCommit[Any] | None = None
    error: Exception | None = None
    predicted: RecordPredictions = _NOTHING

    def wait(self) -> None:
        """Wait until the records are durable; raise the error of a rejected request, or of the log."""
        self.by.log.flush()
        self.check()

    def check(self) -> None:
        """Raise the error of a rejected request, or of the log; call it when `is_done`."""
        if self.error is not None:
            raise self.error
        assert self.commit is not None, "This request was not predicted."
        self.commit.check()

    @property
    def is_done(self) -> bool:
        """Whether the records are durable, or never will be."""
        return self.error is not None if self.commit is None else self.commit.done

    @property
    def version(self) -> str:
        """The version that predicted; several versions are sorted and separated by commas."""
        models = self.predicted.models
        if not models:
            return self.by.package.id.version
        first = models[0]
        # Nearly always there is one model: avoid a set and a sort for every response.
        if len(models) == 1 or all(model is first for model in models):
            return first.version
        return ",".join(sorted({model.version for model in models}))

    def responses(self) -> list[dict[str, Any]]:
        """Return the response for each row: id, model, version and outputs; and the tag, if the registry named the package."""
        rows = zip(self.ids, self.predicted.models, self.predicted.outputs, strict=True)
        return [
            {"id": id, "model": model.name, "version": model.version, "tag": model.tag, **outputs}
            if model.tag
            else {"id": id, "model": model.name, "version": model.version, **outputs}
            for id, model, outputs in rows
        ]


def predict_together(pending: Sequence[PendingPredictions]) -> None:
    """Predict, and queue the records for the log; `check` of each raises its error.

    The latency of single records that are predicted together is their share of the time.
    """
    singles = [each for each in pending if len(each.rows) == 1]
    if len(singles) > 1:
        for by in {id(each.by): each.by for each in singles}.values():
            _predict_singles(by, [each for each in singles if each.by is by])
    for each in pending:
        if each.commit is None and each.error is None:
            _predict_one(each)


def _predict_singles(by: LoggedPredictor, pending: Sequence[PendingPredictions]) -> None:
    started = time.perf_counter_ns()
    try:
        found = by.predictor.predict_each([each.rows[0] for each in pending])
    except Exception:
        # Each is predicted by itself, and has its own error.
        return
    latency = _milliseconds(started, len(pending))
    for each, predicted in zip(pending, found, strict=True):
        if predicted is not None:
            _submit(each, predicted, latency)


def _predict_one(pending: PendingPredictions) -> None:
    started = time.perf_counter_ns()
    try:
        predicted = pending.by.predictor.predict_records(pending.rows)
    except Exception as error:
        try:
            pending.by.submit_rejected(pending, error, latency=_milliseconds(started))
        except Exception as other:
            pending.error = other
    else:
        _submit(pending, predicted, _milliseconds(started))


def _submit(pending: PendingPredictions, predicted: RecordPredictions, latency: float) -> None:
    try:
        pending.by.submit(pending, predicted, latency=latency)
    except Exception as error:
        # The other requests still get their outcomes.
        pending.error = error


def _milliseconds(started: int, count: int = 1) -> float:
    # In whole microseconds: rounding a float takes ten times as long.
    return (time.perf_counter_ns() - started) // (1000 * count) / 1000
