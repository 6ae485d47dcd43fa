"""A predictor that splits requests between two models."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from ...errors import InputFailure, InvalidInputError, SignatureError
from ...prediction_log import keys_of, store_row
from ...predictor import ModelId, Package, Predictions, Predictor, RecordPredictions
from .watch import CanaryWatch, Observed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Canary"]


@dataclass(frozen=True)
class Canary:
    """Predicts with a challenger for a share of the keys, and with the champion for all other keys.

    The split is sticky: the challenger gets a key if the key's hash, a number from 0 to 1, is below `share`.
    If the share grows, keys only move to the challenger; if it shrinks, they only move back to the champion::

        key       hash    share 0.1     share 0.5
        UA 1545   0.07    challenger    challenger
        AA 1141   0.31    champion      challenger
        B6 725    0.82    champion      champion

    If a model has no key columns, all inputs are the key.

    Attributes
    ----------
    champion, challenger
        Two predictors of one model name, with the same inputs, keys and outputs.
    share
        The challenger's share of the keys, from 0 to 1.
    watch
        Notes what both predict; None if nothing does.

    Raises
    ------
    SignatureError
        If names, inputs, keys or outputs differ.
    """

    champion: Predictor
    challenger: Predictor
    share: float
    watch: CanaryWatch | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"The canary share '{self.share}' is out of range. Give a number from 0 to 1.")
        one, other = self.champion.package, self.challenger.package
        if _contract(one) != _contract(other):
            raise SignatureError(
                f"Version {one.id.version} of '{one.id.name}' and version {other.id.version} of '{other.id.name}' have "
                "different inputs or outputs, so they cannot share requests. Release the new version without a canary."
            )

    @property
    def package(self) -> Package:
        """The champion's package."""
        return self.champion.package

    @property
    def models(self) -> Sequence[ModelId]:
        """The champion's models, then the challenger's."""
        return (*self.champion.models, *self.challenger.models)

    @property
    def quick(self) -> bool:
        """Whether both take microseconds for a few rows."""
        return self.champion.quick and self.challenger.quick

    def predict(self, rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> Predictions:
        """Validate rows and predict each with the model of its key."""
        records: Sequence[Any] = rows if isinstance(rows, Sequence) else rows.to_dict("records")
        return Predictions.of_records(self.predict_records(records).outputs)

    def predict_records(self, rows: Sequence[Mapping[str, Any]]) -> RecordPredictions:
        """Validate records and predict each with the model of its key.

        Raises
        ------
        InvalidInputError
            With all invalid fields of all rows.
        """
        keys = [self._key(row) for row in rows]
        below = 0.0 if self.watch is not None and self.watch.ended else self.share * 2**64
        chosen = [key is not None and key < below for key in keys]
        outputs: list[dict[str, Any]] = [{}] * len(rows)
        models: list[ModelId] = [self.champion.models[0]] * len(rows)
        failures: list[InputFailure] = []
        for predictor, challenged in ((self.champion, False), (self.challenger, True)):
            numbers = [number for number, each in enumerate(chosen) if each == challenged]
            if not numbers and (rows or challenged):
                continue
            started = time.perf_counter()
            try:
                predicted = predictor.predict_records([rows[number] for number in numbers])
            except InvalidInputError as error:
                failures += [_at(failure, numbers) for failure in error.failures]
                continue
            except Exception:
                self._note([keys[number] for number in numbers], challenged, started)
                if self.watch is not None:
                    self.watch.check()
                raise
            if self.watch is not None:
                self._note([keys[number] for number in numbers], challenged, started, predicted)
            for number, output, model in zip(numbers, predicted.outputs, predicted.models, strict=True):
                outputs[number], models[number] = output, model
        if failures:
            raise InvalidInputError(sorted(failures, key=lambda failure: -1 if failure.row is None else failure.row))
        return RecordPredictions(outputs, models)

    def predict_each(self, records: Sequence[Mapping[str, Any]]) -> list[RecordPredictions | None]:
        """Return None for each record: its key decides which model predicts it."""
        return [None] * len(records)

    def _note(
        self, keys: Sequence[int | None], challenged: bool, started: float, predicted: RecordPredictions | None = None
    ) -> None:
        known = [key for key in keys if key is not None]
        if self.watch is None or len(known) < len(keys) or not keys:
            return
        milliseconds = 1000 * (time.perf_counter() - started)
        scores = [output[self._score] for output in predicted.outputs] if predicted and self._score else ()
        self.watch.note(Observed(known, challenged, predicted is None, milliseconds, scores))

    @cached_property
    def _score(self) -> str:
        """The name of the output that is a probability or a value; empty if there is none."""
        kinds = {output.kind: name for name, output in self.champion.package.signature.output_columns.items()}
        return kinds.get("probability") or kinds.get("value") or ""

    def _key(self, row: Mapping[str, Any]) -> int | None:
        """Return the hash of a row's key, of 64 bits; None for an invalid row, which the champion rejects."""
        signature = self.champion.package.signature
        try:
            key = keys_of(row, signature, salt=b"") or store_row(row, signature, salt=b"").inputs
        except (ValueError, TypeError, AttributeError, KeyError, OverflowError, msgspec.MsgspecError):
            return None
        salt = self.challenger.models[0].digest.encode()[:64]
        return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), key=salt, digest_size=8).digest())


def _contract(package: Package) -> object:
    signature = package.signature
    name = package.id.name
    inputs = [(field.name, field.dtype, field.key) for field in signature.inputs]
    return (
        name,
        inputs,
        signature.event_time,
        [(name, output.dtype) for name, output in signature.output_columns.items()],
    )


def _at(failure: InputFailure, numbers: Sequence[int]) -> InputFailure:
    row = None if failure.row is None else numbers[failure.row]
    return InputFailure(row, failure.field, failure.reason)
