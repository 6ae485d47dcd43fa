"""Columns: a mapping of names to arrays, on which a project's features are computed.

The same function runs on the training frame, on a million rows and on one. Types of columns:

=================  ==================================================
field              array
=================  ==================================================
bool               bool; nullable: float64, null is NaN
int                int64; nullable: float64, null is NaN
float              float64, null is NaN
string, category   object: `str`, null is None
datetime           datetime64[us] in UTC, null is NaT
=================  ==================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..errors import SignatureError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Column", "ColumnFeatures", "Columns", "columns_of", "to_local"]

Column: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Columns: TypeAlias = Mapping[str, Column]

_FEW = 64


class ColumnFeatures(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[misc, call-arg, unused-ignore]
    """A project's feature function as the first step of a scikit-learn pipeline.

    The function takes columns (see the module's table) and returns features as a dict of arrays of
    the same length: numbers, truth values, or texts (object arrays of `str` and None). It must be
    defined at the top level of a module of the project, so that the package can name it.

    Out comes a float64 matrix: **text features first**, as codes (0, 1, … in alphabetical order of
    the `max_categories` most frequent training values; all others, seen or not, share the next
    code; null is NaN), then the numbers, both in the function's order. So the first
    `len(categorical)` columns are the categorical ones, for `HistGradientBoosting…(categorical_features=[0, 1])`
    or for a `OneHotEncoder(handle_unknown="ignore")` on these indices.

    Parameters
    ----------
    function
        `function(columns) -> {name: array}`.
    categorical
        Names of the text features, in the order wanted. None: as the function gives them.
    max_categories
        At most so many codes for a text feature, the one for "others" not counted.

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
        """Learn the order of the features and the codes of the text ones."""
        features = self._compute(columns_of(X))
        texts = [name for name, values in features.items() if np.asarray(values).dtype.kind in "OUST"]
        if self.categorical is not None and set(texts) != set(self.categorical):
            odd = sorted(set(texts) ^ set(self.categorical))
            raise SignatureError(
                f"Feature '{odd[0]}' is {'text but not named' if odd[0] in texts else 'named'} in categorical={tuple(self.categorical)}"
                f"{'' if odd[0] in texts else ' but no text feature'}. Name exactly the text features."
            )
        self.categories_ = {name: self._frequent(features[name]) for name in self.categorical or texts}
        self.numbers_ = [name for name in features if name not in self.categories_]
        self._codes = _codes(self.categories_)
        return self

    def transform(self, X: Columns | pd.DataFrame) -> Column:  # noqa: N803
        """Compute the features: a float64 matrix of shape (rows, features)."""
        check_is_fitted(self, "categories_")
        features = self._compute(columns_of(X))
        missing = [name for name in (*self.categories_, *self.numbers_) if name not in features]
        if missing:
            raise SignatureError(f"The feature function gave no '{missing[0]}', which it gave in training.")
        columns: list[Any] = [encode(features[name], codes) for name, codes in self._encoders().items()]
        columns += [np.asarray(features[name], dtype=np.float64) for name in self.numbers_]
        matrix = np.empty((len(columns[0]), len(columns)))
        for position, column in enumerate(columns):
            matrix[:, position] = column
        return matrix

    def get_feature_names_out(self, input_features: Any = None) -> Column:
        """Return the features' names, in the order of the matrix."""
        check_is_fitted(self, "categories_")
        return np.array([*self.categories_, *self.numbers_], dtype=object)

    def __getstate__(self) -> dict[str, Any]:
        # The encoders are made from `categories_` again, and are no part of what is saved.
        return {name: value for name, value in super().__getstate__().items() if name != "_codes"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags

    def _compute(self, columns: Columns) -> Mapping[str, Column]:
        try:
            return self.function(columns)
        except KeyError as error:
            if error.args[:1] and isinstance(error.args[0], str) and error.args[0] not in columns:
                raise SignatureError(
                    f"The feature function needs the column '{error.args[0]}', which the rows do not have. "
                    "Add it to the rows, and to the signature."
                ) from error
            raise

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


def encode(values: Column, codes: Mapping[str | None, float]) -> list[float]:
    """Return each text's code; texts that have none share the code after the last."""
    other = float(len(codes) - 1)
    return [codes.get(value, other) for value in values]


def columns_of(data: Columns | pd.DataFrame) -> Columns:
    """Return a frame's columns as arrays; a mapping of arrays is returned as it is.

    Times must carry a zone, and become UTC.
    """
    if isinstance(data, Mapping):
        return data
    return {str(name): _column(data[name], str(name)) for name in data.columns}


def _column(series: pd.Series[Any], name: str) -> Column:
    from pandas.api import types

    if types.is_datetime64_any_dtype(series):
        if getattr(series.dtype, "tz", None) is None:
            raise SignatureError(
                f"Column '{name}' holds times without a time zone. Give it one: frame['{name}'].dt.tz_localize(…)."
            )
        utc: Column = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[us]")
        return utc
    if types.is_bool_dtype(series) or types.is_numeric_dtype(series):
        if isinstance(series.dtype, np.dtype):
            wide = "bool" if series.dtype.kind == "b" else "int64" if series.dtype.kind in "iu" else "float64"
            return series.to_numpy().astype(wide, copy=False)
        return series.to_numpy(dtype="float64", na_value=np.nan)
    values = series.astype(object).to_numpy(dtype=object, copy=True)
    values[series.isna().to_numpy()] = None
    return values


def to_local(times: Column, zone: str) -> Column:
    """Return UTC times as local wall-clock times of an IANA zone (datetime64[us], no zone).

    >>> to_local(np.array(["2013-07-01T12:00"], dtype="datetime64[us]"), "America/New_York")
    array(['2013-07-01T08:00:00.000000'], dtype='datetime64[us]')
    """
    if len(times) > _FEW:
        import pandas as pd

        index = pd.DatetimeIndex(times.astype("datetime64[us]")).tz_localize("UTC")
        return index.tz_convert(zone).tz_localize(None).to_numpy().astype("datetime64[us]")
    return np.array([_local(time, ZoneInfo(zone)) for time in times.astype("datetime64[us]")], dtype="datetime64[us]")


def _local(time: np.datetime64, zone: ZoneInfo) -> Any:
    from datetime import UTC

    if np.isnat(time):
        return time
    moment: Any = time.item()
    return moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
