"""Predictions and outcomes, as two columns of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import MonitoringError
from ..model.signature import Signature

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PROBABILITY", "VALUE", "kind_of", "with_outcomes"]

PROBABILITY, VALUE = "probability", "value"


def kind_of(signature: Signature) -> str:
    """Return what a model predicts: "probability" or "value".

    Raises
    ------
    MonitoringError
        If it predicts neither.
    """
    for kind in (PROBABILITY, VALUE):
        if signature.output(kind) is not None:
            return kind
    raise MonitoringError(
        "Monitoring needs a model with a probability or a value as output. Package an estimator with 'predict_proba', or a regressor."
    )


def with_outcomes(frame: pd.DataFrame, signature: Signature) -> pd.DataFrame:
    """Return logged predictions with the columns `predicted` and `actual` of numbers.

    For a value, `actual` is the true value. For the probability of one class, it is 1 if that class occurred and
    else 0; for the probability of each row's own label, 1 if the label was right. Without an outcome it is NaN.
    """
    output = signature.output(kind_of(signature))
    assert output is not None
    predicted = frame[output.kind].astype("float64")
    if output.kind == VALUE:
        return frame.assign(predicted=predicted, actual=frame["actual"].astype("float64"))
    truth = frame["actual"]
    happened = truth == (frame["label"] if output.positive is None else output.positive)
    return frame.assign(predicted=predicted, actual=np.where(truth.isna(), np.nan, happened.astype("float64")))
