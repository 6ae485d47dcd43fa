"""Histogram boosting with categorical features, without its detour on every call.

scikit-learn sends each row through a `ColumnTransformer` that renumbers the categories: two thirds
of the time of one row. The same numbers come from one search a column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["CategoryNumbers", "shorten"]


class CategoryNumbers:
    """What the renumbering does, on a float matrix: categories first, by their rank; unknown ones are NaN.

    Parameters
    ----------
    categories
        Known values of each categorical column, sorted, NaN left out.
    mask
        Which columns are categorical.
    """

    def __init__(self, categories: Sequence[Any], mask: Any) -> None:
        self._categories = list(categories)
        self._columns = np.flatnonzero(mask)
        self._order = np.concatenate([self._columns, np.flatnonzero(~np.asarray(mask))])

    def transform(self, matrix: Any) -> Any:
        """Return the matrix as the trees take it, shape (rows, features)."""
        taken = np.ascontiguousarray(matrix[:, self._order], dtype=np.float64)
        for place, known in enumerate(self._categories):
            values = taken[:, place]
            ranks = np.minimum(np.searchsorted(known, values), len(known) - 1)
            taken[:, place] = np.where(known[ranks] == values, ranks, np.nan)
        return taken


def shorten(estimator: Any) -> Any:
    """Return an estimator, its last step shortened where that is a boosting over a float matrix."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    encoder = getattr(getattr(last, "_preprocessor", None), "named_transformers_", {}).get("encoder")
    if type(last).__name__.startswith("HistGradientBoosting") and encoder is not None and _numeric(encoder, last):
        known = [np.asarray(each, dtype=np.float64) for each in encoder.categories_]
        last._preprocessor = CategoryNumbers([each[~np.isnan(each)] for each in known], last.is_categorical_)
    return estimator


def _numeric(encoder: Any, boosting: Any) -> bool:
    named = hasattr(boosting, "feature_names_in_")
    return not named and all(
        each.dtype.kind == "f" and np.isfinite(each).any() for each in map(np.asarray, encoder.categories_)
    )
