"""What was predicted and what happened, as two columns of numbers."""

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
        "The model gives neither a probability nor a value, which monitoring needs. Package an estimator with 'predict_proba', or a regressor."
    )


def with_outcomes(frame: pd.DataFrame, signature: Signature) -> pd.DataFrame:
    """Return logged predictions with the columns `predicted` and `actual` of numbers.

    Of a value these are the value and what it turned out to be. Of a probability that speaks of one class they are
    the probability and whether that class happened; of one that speaks of each row's label, whether the label was
    right. `actual` is NaN while nothing is known.
    """
    output = signature.output(kind_of(signature))
    assert output is not None
    predicted = frame[output.kind].astype("float64")
    if output.kind == VALUE:
        return frame.assign(predicted=predicted, actual=frame["actual"].astype("float64"))
    truth = frame["actual"]
    happened = truth == (frame["label"] if output.positive is None else output.positive)
    return frame.assign(predicted=predicted, actual=np.where(truth.isna(), np.nan, happened.astype("float64")))
