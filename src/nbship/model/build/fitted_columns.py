"""The columns that an estimator was fitted with, and the fields of a signature."""

from __future__ import annotations

from typing import Any

from ...errors import SignatureError
from ...text import counted
from ..backends import steps_of
from ..features import ColumnFeatures
from ..signature import Signature

__all__ = ["check_fitted_columns"]


def check_fitted_columns(estimator: Any, signature: Signature) -> None:
    """Check that the signature has the columns that the estimator was fitted with.

    Raises
    ------
    SignatureError
        If it lacks one.
    """
    first = steps_of(estimator)[0]
    if isinstance(first, ColumnFeatures):
        return
    missing = [name for name in _columns_read(first) if name not in signature.names]
    count = getattr(first, "n_features_in_", 0)
    if missing:
        lacks = f"The estimator was fitted with the column '{missing[0]}', which the signature does not have"
    elif not _names(first) and count > len(signature.inputs):
        lacks = f"The estimator was fitted with {count} columns, and the signature has {counted(len(signature.inputs), 'field')}"
    else:
        return
    raise SignatureError(f"{lacks}. Infer the signature from the frame that it was fitted on.")


def _names(step: Any) -> list[str]:
    """Return the names of the columns of the frame that a step was fitted on; none of a matrix."""
    names = [str(name) for name in getattr(step, "feature_names_in_", ())]
    # LightGBM gives the columns of a matrix these names, which some versions of scikit-learn show.
    if type(step).__module__.startswith("lightgbm.") and names == [f"Column_{k}" for k in range(len(names))]:
        return []
    return names


def _columns_read(step: Any) -> list[str]:
    """Return the names of the columns that a fitted step reads; a column transformer drops the others."""
    names = _names(step)
    indices = getattr(step, "_transformer_to_input_indices", None)
    if indices is None:
        return names
    kept = [
        name for name, transformer, _ in step.transformers_ if not isinstance(transformer, str) or transformer != "drop"
    ]
    return [names[index] for name in kept for index in indices.get(name, ()) if names]
