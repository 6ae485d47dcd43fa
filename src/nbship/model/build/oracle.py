"""What a fitted estimator itself answers for rows in the types of its training frame.

The outputs of a package are compared with these. Nothing here is used by a package: neither its columns, nor its
scores, nor its rule for labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import SignatureError
from ..package import PackagedModel
from ..signature import Column, Output, Signature, read_rows, training_attributes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Disagreement", "ask", "disagreement", "explain"]


class Disagreement(Exception):  # noqa: N818
    """The first row whose output differs from that of the estimator.

    Attributes
    ----------
    row, output
        Index of the row, and name of the output.
    given, expected
        The output by the package, and by the estimator.
    """

    def __init__(self, row: int, output: str, *, given: Any, expected: Any, kind: str) -> None:
        super().__init__(f"{kind} row {row} has the {output} {given}, but {expected} from the estimator on the frame")
        self.row, self.output, self.given, self.expected = row, output, given, expected


def ask(estimator: Any, signature: Signature, frame: pd.DataFrame) -> dict[str, Column]:
    """Return the outputs of an estimator by its own `predict`, `predict_proba` and `decision_function`.

    Parameters
    ----------
    frame
        Rows with all columns of the training frame, in its types.
    """
    # An estimator of the project may write into its input.
    predicted = _table(estimator.predict(_input(estimator, frame.copy(deep=False))))
    data = _input(estimator, frame.copy(deep=False))
    found = {}
    for column, output in signature.output_columns.items():
        if output.kind == "probability" or (output.kind == "label" and output.threshold is not None):
            found[column] = _by_probability(estimator, data, output, signature, predicted)
        elif output.kind == "value" and getattr(estimator, "classes_", None) is None and _scores_outliers(estimator):
            found[column] = np.asarray(estimator.decision_function(data))
        else:
            found[column] = predicted[:, output.target]
    return found


def _input(estimator: Any, frame: pd.DataFrame) -> Any:
    inner = getattr(estimator, "steps", [("", estimator)])[0][1]
    for each in (estimator, inner):
        # CatBoost's name is the second. It and LightGBM name the columns of a matrix.
        names = getattr(each, "feature_names_in_", getattr(each, "feature_names_", None))
        if names is not None and (set(names) & set(frame) or not _is_of_boosters(each)):
            # A column transformer does not need the columns that it drops.
            return frame[[name for name in names if name in frame]]
    numeric = all(getattr(dtype, "kind", "O") in "fiub" for dtype in frame.dtypes)
    takes_matrix = type(inner).__module__.startswith("sklearn.") or _is_of_boosters(inner)
    return frame.to_numpy() if numeric and takes_matrix else frame


def _is_of_boosters(estimator: Any) -> bool:
    return type(estimator).__module__.startswith(("xgboost.", "lightgbm.", "catboost."))


def _scores_outliers(estimator: Any) -> bool:
    from sklearn.utils import get_tags

    return bool(get_tags(estimator).estimator_type == "outlier_detector")


def _table(values: Any) -> Column:
    dense = np.asarray(values.toarray() if hasattr(values, "toarray") else values)
    return dense.reshape(len(dense), -1)


def _by_probability(estimator: Any, data: Any, output: Output, signature: Signature, predicted: Column) -> Column:
    """Return a probability, or a label that a threshold of the signature decides."""
    classes, table = estimator.classes_, estimator.predict_proba(data)
    if isinstance(table, list):
        classes, table = classes[output.target], table[output.target]
    elif predicted.shape[1] > 1:
        classes, positive = [0, 1], table[:, output.target]
        table = np.column_stack([1 - positive, positive])
    elif isinstance(classes, list):
        classes = classes[0]
    order = list(np.asarray(classes).tolist())
    probability = next(
        (
            each
            for each in signature.outputs
            if each.kind == "probability" and each.target == output.target and each.positive is not None
        ),
        None,
    )
    if output.kind == "label" and len(order) == 2 and probability is not None:
        index = order.index(probability.positive)
        likely = table[:, index] >= output.threshold
        return np.asarray(classes)[np.where(likely, index, 1 - index)]
    if output.kind == "label":
        return predicted[:, output.target]
    if output.positive is not None:
        return np.asarray(table)[:, order.index(output.positive)]
    places = [order.index(label) for label in predicted[:, output.target].tolist()]
    return np.asarray(table)[np.arange(len(places)), places]


def disagreement(
    model: PackagedModel, frame: pd.DataFrame, expected: Mapping[str, Column], *, kind: str
) -> Disagreement | None:
    """Return the first row of a frame whose outputs by a packaged model are not the expected ones; `kind` names the rows."""
    given = model.predict(model.complete(read_rows(model.signature, frame))).columns()
    bound = model.bound
    # Compare numbers before labels: a difference of probabilities says more than the label that follows from it.
    for output, values in sorted(given.items(), key=lambda each: each[1].dtype.kind != "f"):
        if output not in expected:
            continue
        wanted = expected[output]
        if values.dtype.kind == "f" and wanted.dtype.kind in "fiu":
            same = np.abs(values - wanted) <= bound * np.maximum(1.0, np.abs(wanted))
        else:
            same = values == wanted
        if not same.all():
            row = int(np.flatnonzero(~same)[0])
            return Disagreement(row, output, given=values[row], expected=wanted[row], kind=kind)
    return None


def explain(found: Disagreement, estimator: Any, signature: Signature, frame: pd.DataFrame) -> SignatureError:
    """Return the error for an estimator whose answers the fitted model itself does not reproduce, with the likeliest reason."""
    where = f"{found}."
    for field in signature.inputs:
        stated = {"training_dtype": field.training_dtype, "training_null": field.training_null}
        own = {"training_dtype": None, "training_null": None, **training_attributes(frame[field.name], field.dtype)}
        if any(own[name] != stated[name] for name in stated):
            return SignatureError(
                f"{where} Column '{field.name}' is of type '{frame[field.name].dtype}' in the frame, which is not that of the signature. "
                "Infer the signature from the frame that the estimator was fitted on."
            )
    again, alone = ask(estimator, signature, frame), ask(estimator, signature, frame.iloc[[found.row]])
    if again[found.output][found.row] != found.expected:
        return SignatureError(
            f"{where} The estimator answers the same row differently at each call. Fix its random state."
        )
    if alone[found.output][0] != found.expected:
        return SignatureError(
            f"{where} The estimator's answer for a row depends on the other rows. Package an estimator that predicts each row by itself."
        )
    return SignatureError(f"{where} If a module of the project was edited after the fit, fit the estimator again.")
