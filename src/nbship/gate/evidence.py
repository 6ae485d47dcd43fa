"""What the gate judges by: training and held-out rows, and the predictions of the candidate and of those that it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, EmptyDataError
from ..metrics import block_numbers
from ..model import Signature
from ..text import listed
from .production import Production
from .rows import columns_fitted, days_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evidence", "gather", "predict_with"]

_DAY = "day"


@dataclass(frozen=True)
class Evidence:
    """What the gate judges by. Arrays have the shape (held-out rows,), unless stated otherwise.

    Attributes
    ----------
    estimator
        The candidate.
    signature
        Its inputs and outputs.
    train, holdout
        The rows, with at least the inputs of the signature.
    train_actual
        The label of each training row, shape (training rows,).
    actual, predicted
        The label of each held-out row, and the candidate's probability or value.
    kind
        "probability" or "value".
    block
        The block of each row, integers from 0.
    others
        Name -> predictions of what the candidate is compared with: "baseline", and the simpler model.
    slices
        Columns of `holdout` whose values are slices.
    production
        The model in production; None for the first model.
    """

    estimator: Any
    signature: Signature
    train: pd.DataFrame
    holdout: pd.DataFrame
    train_actual: NDArray[np.float64]
    actual: NDArray[np.float64]
    predicted: NDArray[np.float64]
    kind: str
    block: NDArray[np.intp]
    others: Mapping[str, NDArray[np.float64]]
    slices: tuple[str, ...]
    production: Production | None

    @property
    def names(self) -> list[str]:
        """The inputs of the signature that the rows have."""
        return [name for name in self.signature.names if name in self.holdout and name in self.train]

    @cached_property
    def answered(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The rows that production accepts and was not trained on, and its predictions for them."""
        if self.production is None:
            return np.zeros(0, dtype=np.intp), np.zeros(0)
        rows, values = self.production.predict(self.holdout)
        fresh = ~self.production.has_trained_on(self.holdout)[rows]
        return rows[fresh], values[fresh]

    @cached_property
    def threshold(self) -> float:
        """The probability from which on the label is the positive class."""
        output = self.signature.output("label")
        return 0.5 if output is None or output.threshold is None else float(output.threshold)

    def predict(self, frame: Any, estimator: Any = None) -> NDArray[np.float64]:
        """Return the probabilities or values of the candidate, or of another estimator."""
        return predict_with(self.estimator if estimator is None else estimator, frame)


def gather(
    estimator: Any,
    *,
    signature: Signature,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    label: str,
    baseline: ArrayLike,
    simpler: Mapping[str, ArrayLike],
    production: Production | None,
    slices: Sequence[str],
    block: str,
) -> Evidence:
    """Predict the held-out rows, and check that everything fits.

    Raises
    ------
    DataError
        If a column is missing, the labels are not binary or numbers, or lengths differ.
    EmptyDataError
        If there are no training or no held-out rows.
    """
    for part, frame in (("training", train), ("held-out", holdout)):
        if not len(frame):
            raise EmptyDataError(f"There are no {part} rows. Run the stages before the gate again.")
        if label not in frame:
            raise DataError(f"The {part} rows have no column '{label}', the label. Pass the rows with their labels.")
    unknown = [name for name in slices if name not in holdout]
    if unknown:
        raise DataError(
            f"The held-out rows have no column {listed(unknown, quoted=True)}, which 'slices' in nbship.yaml names. Add it to the rows."
        )
    actual = _labels(holdout[label])
    kind = "probability" if hasattr(estimator, "predict_proba") else "value"
    others = {"baseline": baseline, **simpler}
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in others.items()}
    for name, values in arrays.items():
        if values.shape != actual.shape:
            raise DataError(
                f"'{name}' has {len(values)} predictions for {len(actual)} held-out rows. Pass one of each."
            )
    return Evidence(
        estimator=estimator,
        signature=signature,
        train=train.drop(columns=label),
        holdout=holdout.drop(columns=label),
        train_actual=_labels(train[label]),
        actual=actual,
        predicted=predict_with(estimator, holdout.drop(columns=label)),
        kind=kind,
        block=_blocks(holdout, signature, block),
        others=arrays,
        slices=tuple(slices),
        production=production,
    )


def predict_with(estimator: Any, frame: Any) -> NDArray[np.float64]:
    """Return the probabilities of the positive class, or the values, of an estimator, shape (rows,).

    Raises
    ------
    DataError
        If it has more than two classes.
    """
    frame = columns_fitted(estimator, frame)
    if not hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict(frame), dtype=np.float64)
    found = np.asarray(estimator.predict_proba(frame), dtype=np.float64)
    if found.ndim != 2 or found.shape[1] != 2:
        raise DataError(
            "The gate judges models of two classes or of a value. Judge other models in a stage of your own."
        )
    return found[:, 1]


def _labels(column: pd.Series[Any]) -> NDArray[np.float64]:
    try:
        found = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(f"The label '{column.name}' holds no numbers or booleans. Encode it as 0 and 1.") from error
    if not np.isfinite(found).all():
        raise DataError(f"The label '{column.name}' is missing in some rows. Drop the rows without a label.")
    return np.asarray(found)


def _blocks(holdout: pd.DataFrame, signature: Signature, block: str) -> NDArray[np.intp]:
    if block == _DAY and block not in holdout:
        days = days_of(holdout, signature)
        if days is None:
            # Without a time, each row is a block of its own.
            return np.arange(len(holdout))
        return block_numbers(days)
    if block not in holdout:
        raise DataError(
            f"The held-out rows have no column '{block}', which 'gates.block' in nbship.yaml names. Add it to the rows."
        )
    return block_numbers(holdout[block].astype(str).to_numpy(dtype=object))
