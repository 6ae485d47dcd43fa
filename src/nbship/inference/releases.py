"""Predictors that share requests among several models."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import InputFailure, InvalidInputError, SignatureError
from ..prediction_log import keys_of, store_row
from ..predictor import ModelId, Package, Predictions, Predictor, RecordPredictions

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Canary"]


@dataclass(frozen=True)
class Canary:
    """A challenger that predicts for a share of the keys, beside the champion that predicts for the others.

    A key stays where it is: it belongs to the challenger if the hash of it, a number from 0 to 1, is below `share`.
    When the share grows, keys move to the challenger only; when it shrinks, back to the champion only::

        key       hash    share 0.1     share 0.5
        UA 1545   0.07    challenger    challenger
        AA 1141   0.31    champion      challenger
        B6 725    0.82    champion      champion

    Rows of a model without key columns are told apart by all their inputs.

    Attributes
    ----------
    champion, challenger
        Their signatures name the same inputs, keys and outputs.
    share
        Of the keys, from 0 to 1.

    Raises
    ------
    SignatureError
        If the two signatures differ.
    """

    champion: Predictor
    challenger: Predictor
    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"The share of a canary is {self.share}. Give a number from 0 to 1.")
        one, other = self.champion.package, self.challenger.package
        if _contract(one) != _contract(other):
            raise SignatureError(
                f"Versions {one.id.version} and {other.id.version} of '{one.id.name}' take other inputs, or give other "
                "outputs, so they cannot share requests. Release the new one as a whole."
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
        """Validate rows and predict, each by the model that its key belongs to."""
        records: Sequence[Any] = rows if isinstance(rows, Sequence) else rows.to_dict("records")
        return Predictions.of_records(self.predict_records(records).outputs)

    def predict_records(self, rows: Sequence[Mapping[str, Any]]) -> RecordPredictions:
        """Predict for records, each by the model that its key belongs to.

        Raises
        ------
        InvalidInputError
            With every wrong field of every row.
        """
        chosen = [self._is_challenged(row) for row in rows]
        outputs: list[dict[str, Any]] = [{}] * len(rows)
        models: list[ModelId] = [self.champion.models[0]] * len(rows)
        failures: list[InputFailure] = []
        for predictor, challenged in ((self.champion, False), (self.challenger, True)):
            numbers = [number for number, each in enumerate(chosen) if each == challenged]
            if not numbers and (rows or challenged):
                continue
            try:
                predicted = predictor.predict_records([rows[number] for number in numbers])
            except InvalidInputError as error:
                failures += [_at(failure, numbers) for failure in error.failures]
                continue
            for number, output, model in zip(numbers, predicted.outputs, predicted.models, strict=True):
                outputs[number], models[number] = output, model
        if failures:
            raise InvalidInputError(sorted(failures, key=lambda failure: -1 if failure.row is None else failure.row))
        return RecordPredictions(outputs, models)

    def _is_challenged(self, row: Mapping[str, Any]) -> bool:
        signature = self.champion.package.signature
        try:
            key = keys_of(row, signature, salt=b"") or store_row(row, signature, salt=b"").inputs
        except (ValueError, TypeError, AttributeError, KeyError, OverflowError, msgspec.MsgspecError):
            # The row is invalid; the champion says which field is wrong.
            return False
        salt = self.challenger.models[0].digest.encode()[:64]
        number = int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), key=salt, digest_size=8).digest())
        return number < self.share * 2**64


def _contract(package: Package) -> object:
    signature = package.signature
    name = package.id.name
    inputs = [(field.name, field.dtype, field.key) for field in signature.inputs]
    return name, inputs, signature.event_time, [(name, output.dtype) for name, output in signature.answers.items()]


def _at(failure: InputFailure, numbers: Sequence[int]) -> InputFailure:
    row = None if failure.row is None else numbers[failure.row]
    return InputFailure(row, failure.field, failure.reason)
