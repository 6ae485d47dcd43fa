"""The outputs of a fitted estimator, where the signature names none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import SignatureError
from ..backends import classes_of, finds_outliers, input_of, steps_of, targets_of
from ..features import ColumnFeatures
from ..signature import Output, Scalar, Signature, Target, read_rows
from .deployed import threshold_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["infer_outputs"]


def infer_outputs(estimator: Any, signature: Signature, rows: pd.DataFrame) -> tuple[Output, ...]:
    """Return the outputs of an estimator for each target: label and probability of a class, or value of a regression."""
    if finds_outliers(estimator):
        label = Output("label", "int", "label", classes=(-1, 1), title="Label", help="-1 for an outlier")
        return label, Output("score", "float", "value", target=1, title="Score", help="Below 0 for an outlier")
    if classes_of(estimator) is not None:
        threshold, positive = threshold_of(estimator)
        return tuple(
            output
            for index, each in enumerate(targets_of(estimator, several=1))
            for output in _classified(each, index, threshold=threshold, positive=positive)
        )
    sample = read_rows(signature, rows.head(1)[[name for name in signature.names if name in rows]]).columns
    takes_columns = isinstance(steps_of(estimator)[0], ColumnFeatures)
    data = sample if takes_columns else input_of(estimator, sample, signature)
    several = np.asarray(estimator.predict(data)).reshape(1, -1).shape[1]
    if several == 1:
        return (Output("value", "float", "value", title="Value"),)
    return tuple(
        Output(f"value_{index}", "float", "value", target=index, title=f"Value {index}") for index in range(several)
    )


def _classified(target: Target, index: int, *, threshold: float | None, positive: Scalar | None) -> tuple[Output, ...]:
    assert target.classes is not None
    values = tuple(target.classes.tolist())
    other = next((type(label).__name__ for label in values if not isinstance(label, (bool, int, float, str))), None)
    if other:
        raise SignatureError(
            f"A class of the target is of type '{other}', which no output can have. Fit the estimator to strings, integers or booleans."
        )
    dtype = {bool: "bool", int: "int", float: "float"}.get(type(values[0]), "string")
    suffix, title = (f"_{index}", f" {index}") if index else ("", "")
    label = Output(
        f"label{suffix}", dtype, "label", classes=values, target=index, threshold=threshold, title=f"Label{title}"
    )
    if not target.probabilistic:
        return (label,)
    if positive is None and len(values) == 2:
        positive = values[1]
    probability = Output(
        f"probability{suffix}", "float", "probability", positive=positive, target=index, title=f"Probability{title}"
    )
    return (label, probability)
