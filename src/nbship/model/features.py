"""A project's feature function as the first step of a scikit-learn pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..errors import SignatureError
from .signature import Column, Columns, columns_of, compute

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ColumnFeatures"]


class ColumnFeatures(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[misc, call-arg, unused-ignore]
    """A project's feature function as the first step of a scikit-learn pipeline.

    The function takes columns, as `nbship.model.signature.columns` describes them, and returns features as a
    dictionary of arrays of the same length: numbers, booleans, or strings (object arrays of `str` and None). It must
    be defined at the top level of a module of the project, so that the package can import it by name.

    The transformer returns a float64 matrix: **string features first**, as codes, then the numbers, both in the
    function's order. The `max_categories` most frequent training values have the codes 0, 1, … in alphabetical order;
    all other values share the next code, and null is NaN. The first `len(categorical)` columns are therefore the
    categorical ones, for `HistGradientBoosting…(categorical_features=[0, 1])` or for a
    `OneHotEncoder(handle_unknown="ignore")` on these indices.

    Parameters
    ----------
    function
        `function(columns) -> {name: array}`.
    categorical
        Names of the string features, in the order of their columns. None: the order in which the function returns
        them.
    max_categories
        The largest number of codes of a string feature, not counting the code for other values.

    Examples
    --------
    >>> import pandas as pd
    >>> def features(columns):
    ...     return {"double": columns["size"] * 2, "colour": columns["colour"]}
    >>> frame = pd.DataFrame({"size": [1, 2], "colour": ["red", "blue"]})
    >>> transformer = ColumnFeatures(features).fit(frame)
    >>> transformer.transform(frame)
    array([[1., 2.],
           [0., 4.]])
    >>> transformer.get_feature_names_out().tolist()
    ['colour', 'double']
    >>> transformer.transform({"size": np.array([3]), "colour": np.array(["green"], dtype=object)})
    array([[2., 6.]])
    """

    def __init__(
        self,
        function: Callable[[Columns], Mapping[str, Column]],
        categorical: Sequence[str] | None = None,
        max_categories: int = 250,
    ) -> None:
        self.function = function
        self.categorical = categorical
        self.max_categories = max_categories

    def fit(self, X: Columns | pd.DataFrame, y: Any = None) -> ColumnFeatures:  # noqa: N803
        """Learn the order of the features, and the codes of the string features."""
        features = compute(self.function, columns_of(X))
        strings = [name for name, values in features.items() if np.asarray(values).dtype.kind in "OUST"]
        if self.categorical is not None and set(strings) != set(self.categorical):
            odd = sorted(set(strings) ^ set(self.categorical))
            raise SignatureError(
                f"Feature '{odd[0]}' {'holds strings and is missing' if odd[0] in strings else 'holds no strings and is named'} in "
                f"categorical={tuple(self.categorical)}. Name exactly the features that hold strings."
            )
        self.categories_ = {name: self._frequent(features[name]) for name in self.categorical or strings}
        self.numbers_ = [name for name in features if name not in self.categories_]
        self._codes = _codes(self.categories_)
        return self

    def transform(self, X: Columns | pd.DataFrame) -> Column:  # noqa: N803
        """Compute the features: a float64 matrix of shape (rows, features)."""
        check_is_fitted(self, "categories_")
        return self.encode(compute(self.function, columns_of(X)))

    def encode(self, features: Mapping[str, Column]) -> Column:
        """Encode features that the function has returned; `transform` calls both."""
        missing = [name for name in (*self.categories_, *self.numbers_) if name not in features]
        if missing:
            raise SignatureError(
                f"The feature function did not return '{missing[0]}', which it returned in training. "
                "Return the same features for every input."
            )
        columns: list[Any] = [_encode(features[name], codes) for name, codes in self._encoders().items()]
        columns += [np.asarray(features[name], dtype=np.float64) for name in self.numbers_]
        matrix = np.empty((len(columns[0]), len(columns)))
        for position, column in enumerate(columns):
            matrix[:, position] = column
        return matrix

    def get_feature_names_out(self, input_features: Any = None) -> Column:
        """Return the names of the features, in the order of the matrix columns."""
        check_is_fitted(self, "categories_")
        return np.array([*self.categories_, *self.numbers_], dtype=object)

    def __getstate__(self) -> dict[str, Any]:
        # The codes follow from `categories_`, so they are not saved.
        return {name: value for name, value in super().__getstate__().items() if name != "_codes"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags

    def _encoders(self) -> dict[str, dict[str | None, float]]:
        if "_codes" not in self.__dict__:
            self._codes = _codes(self.categories_)
        return self._codes

    def _frequent(self, values: Column) -> list[str]:
        present, counts = np.unique([value for value in values if value is not None], return_counts=True)
        most = np.lexsort((present, -counts))[: self.max_categories]
        return sorted(str(present[position]) for position in most)


def _codes(categories: Mapping[str, list[str]]) -> dict[str, dict[str | None, float]]:
    return {
        name: {None: np.nan, **{value: float(code) for code, value in enumerate(values)}}
        for name, values in categories.items()
    }


def _encode(values: Column, codes: Mapping[str | None, float]) -> list[float]:
    """Return the code of each string; unknown strings share the code after the last."""
    other = float(len(codes) - 1)
    return [codes.get(value, other) for value in values]
