"""Try the values that a signature allows and training rows may not hold: null, unseen strings, and numbers far out.

An estimator that rejects one would fail on a request which the signature calls valid.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...errors import InvalidInputError, SignatureError
from ...text import counted
from ..backends import Compiled
from ..package import PackagedModel
from ..signature import Column, Columns, Field, Signature, storable, to_array

__all__ = ["check_accepted_values", "check_single_rows", "with_limits"]

_SINGLES = 20
_UNSEEN = "a value that training never saw"
# Trees round numbers to float32, which holds none above 3.4e38.
_FAR = (1e300, float(np.finfo(np.float32).max), 1e30, 1e15)


def with_limits(model: PackagedModel, columns: Columns) -> Signature:
    """Return the signature, with limits for numbers beyond which the estimator fails."""
    signature = model.signature
    row = _first_whole(columns, signature)
    for field in signature.inputs:
        if field.dtype != "float":
            continue
        for name, sign, end in zip(("minimum", "maximum"), (-1, 1), storable(field), strict=True):
            stated = getattr(field, name)
            bound = min(_FAR[0], abs(end), np.inf if stated is None else sign * stated)
            tried = [bound, *(far for far in _FAR if far < bound)] if bound > _FAR[-1] else []
            accepted = (far for far in tried if _is_accepted(model, {**row, field.name: to_array(field, [sign * far])}))
            # For a field that fails at every magnitude, no limit would help.
            if (far := next(accepted, None)) is not None and far != bound:
                signature = signature.edit(field.name, **{name: sign * far})
    return signature


def _is_accepted(model: PackagedModel, columns: Columns) -> bool:
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            model.backend.scores(columns)
    except (ValueError, TypeError, ArithmeticError, LookupError):
        return False
    return True


def check_accepted_values(model: PackagedModel, columns: Columns) -> None:
    """Predict one of the rows with null in each field that may be null, and with an unseen text in each that takes any.

    Raises
    ------
    SignatureError
        If the estimator rejects such a row, with the remedy.
    """
    signature = model.signature
    row = _first_whole(columns, signature)
    if reason := _rejected(model, row):
        raise SignatureError(
            f"The model fails for a training row by itself: it {reason}. Package an estimator that predicts each row by itself."
        )
    _check_scores(model, row)
    for field, value in _trials(signature):
        if reason := _rejected(model, {**row, field.name: to_array(field, [value])}):
            raise SignatureError(_sentence(field, value, reason))


def _check_scores(model: PackagedModel, row: Columns) -> None:
    """Check that a classifier has a probability for each of its classes, and for no others."""
    found = model.backend.scores(row).shape[1]
    if found == model.score_count:
        return
    classes = [label for each in model.backend.targets if each.classes is not None for label in each.classes.tolist()]
    if not classes:
        raise SignatureError(
            f"The estimator predicts {found} values for a row, and the signature has {model.score_count}. Infer its outputs: outputs=()."
        )
    one = "Fit it on rows of at least two classes" if len(classes) == 1 else "Let it return one for each of classes_"
    raise SignatureError(
        f"The estimator returns {found} scores for {counted(len(classes), 'class', 'classes')}, {', '.join(map(repr, classes[:5]))}. {one}."
    )


def _rejected(model: PackagedModel, row: Columns) -> str | None:
    """Return the reason why a model does not predict a row; None if it does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.predict(row)
    except InvalidInputError as error:
        return error.failures[0].reason
    return None


def check_single_rows(model: PackagedModel, columns: Columns) -> None:
    """Predict some rows together and one by one, as a batch and a record are predicted.

    Raises
    ------
    SignatureError
        If a row has another output among others, as after a factorization that is fitted to all of them.
    """
    rows = len(next(iter(columns.values())))
    some = np.unique(np.linspace(0, rows - 1, _SINGLES).astype(int))
    together = model.backend.scores({name: np.asarray(column)[some] for name, column in columns.items()})
    for place, row in enumerate(some.tolist()):
        own = {name: np.asarray(column)[[row]] for name, column in columns.items()}
        alone = [model.backend.scores(own)[0]]
        if isinstance(model.backend, Compiled):
            alone.append(np.array(model.backend.score_columns(own)))
        if not all(np.array_equal(each, together[place], equal_nan=True) for each in alone):
            raise SignatureError(
                f"The estimator's answer for training row {row} depends on the other rows of a request. Package an estimator that predicts each row by itself."
            )


def _trials(signature: Signature) -> Iterator[tuple[Field, Any]]:
    for field in signature.inputs:
        if field.nullable:
            yield field, None
        if field.dtype == "string" or (field.dtype == "category" and field.open):
            yield field, _UNSEEN


def _first_whole(columns: Columns, signature: Signature) -> dict[str, Column]:
    """Return the first row without nulls, or else the first row."""
    import pandas as pd

    null = np.zeros(len(next(iter(columns.values()))), dtype=bool)
    for name in signature.names:
        null |= pd.isna(columns[name])
    row = int(np.argmin(null))
    return {name: column[[row]] for name, column in columns.items()}


def _sentence(field: Field, value: Any, reason: str) -> str:
    if value is not None:
        return (
            f"Field '{field.name}' takes any string, but the model fails for one that training never saw: it {reason}. "
            f"Make it a category, Signature.infer(…, fields={{'{field.name}': {{'dtype': 'category', 'open': False}}}}), or set the encoder's "
            "handle_unknown."
        )
    if field.lookup is not None:
        remedy = "It is null where the lookup has no row, so the model needs an imputer"
    elif field.optional:
        remedy = "It is null where it is left out, so the model needs an imputer"
    else:
        remedy = f"Set nullable=False, signature.edit('{field.name}', nullable=False), or add an imputer"
    return f"Field '{field.name}' may be null, but the model fails for null: it {reason}. {remedy}."
