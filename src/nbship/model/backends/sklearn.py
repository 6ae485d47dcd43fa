"""The model of a package as the scikit-learn estimator that was fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..features import ColumnFeatures
from ..signature import Column, Columns, Signature, Target
from .hist_boosting import replace_preprocessor
from .skops_file import load_estimator_bytes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Fitted", "finds_outliers", "input_of", "match_fitted_names", "scores_of", "steps_of", "targets_of"]

_BLOCK = 256
# Up to this number of rows, one thread is faster: threads would wait longer than they work.
_FEW = 5_000


class Fitted:
    """A fitted estimator, ready to predict.

    Attributes
    ----------
    targets
        The targets of the scores.
    """

    name = "sklearn"

    def __init__(self, data: bytes, *, renamed: Mapping[str, str], signature: Signature) -> None:
        self.estimator = replace_preprocessor(load_estimator_bytes(data, code=renamed, renamed=renamed))
        self.targets = targets_of(
            self.estimator, several=1 + max((each.target for each in signature.outputs), default=0)
        )
        self._signature = signature
        self._takes_columns = isinstance(steps_of(self.estimator)[0], ColumnFeatures)
        self._row_by_row = all(type(step).__name__ in _ROW_BY_ROW for step in _flat(self.estimator))

    def scores(self, columns: Columns) -> Column:
        """Return the scores of all targets, shape (rows, scores)."""
        from sklearn import config_context

        data = columns if self._takes_columns else input_of(self.estimator, columns, self._signature)
        with (
            _threads(len(next(iter(columns.values())))),
            config_context(assume_finite=True, skip_parameter_validation=True),
        ):
            return self._call(lambda given: scores_of(self.estimator, self.targets, given), data)

    def _call(self, function: Callable[[Any], Column], data: Any) -> Column:
        """Call an estimator such that the scores of a row do not depend on the number of rows.

        The order of addition in a matrix product depends on its shape, so every call has a block of the same shape.
        """
        if self._row_by_row:
            return function(data)
        return np.concatenate([function(block)[:rows] for block, rows in _blocks(data)])


# Estimators without matrix products: the calculations for a row do not depend on the number of rows.
_ROW_BY_ROW = {
    *("ColumnFeatures", "ColumnTransformer", "FeatureUnion", "FunctionTransformer", "SimpleImputer", "str"),
    *("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "OneHotEncoder", "OrdinalEncoder", "NoneType"),
    *("HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "GradientBoostingClassifier"),
    *("GradientBoostingRegressor", "RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier"),
    *("ExtraTreesRegressor", "DecisionTreeClassifier", "DecisionTreeRegressor"),
}


def targets_of(estimator: Any, *, several: int) -> tuple[Target, ...]:
    """Return the targets of a fitted estimator; `several` is the number of values that a regression returns."""
    if finds_outliers(estimator):
        return Target(np.array([-1, 1]), probabilistic=False), Target(start=2)
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return tuple(Target(start=index) for index in range(several))
    probabilistic = hasattr(estimator, "predict_proba")
    found: list[Target] = []
    for each in classes if isinstance(classes, (list, tuple)) else [classes]:
        found.append(Target(np.asarray(each), probabilistic, start=found[-1].stop if found else 0))
    return tuple(found)


def finds_outliers(estimator: Any) -> bool:
    """Return whether an estimator is an outlier detector: it predicts -1 for outliers and 1 for others."""
    from sklearn.base import is_outlier_detector

    return bool(is_outlier_detector(estimator))


def scores_of(estimator: Any, targets: Sequence[Target], data: Any) -> Column:
    """Return the scores of an estimator, shape (rows, scores): probabilities, 1 for the predicted class, or values."""
    if finds_outliers(estimator):
        labels = np.asarray(estimator.predict(data))[:, None]
        return np.column_stack([labels == targets[0].classes, estimator.decision_function(data)])
    if targets[0].classes is None:
        values = np.asarray(estimator.predict(data), dtype=np.float64)
        return values.reshape(len(values), -1)
    if targets[0].probabilistic:
        parts = estimator.predict_proba(data)
        return np.asarray(np.concatenate(parts, axis=1) if isinstance(parts, list) else parts, dtype=np.float64)
    labels = np.asarray(estimator.predict(data))
    labels = labels.reshape(len(labels), -1)
    chosen = [labels[:, [index]] == each.classes for index, each in enumerate(targets)]
    return np.concatenate(chosen, axis=1).astype(np.float64)


def input_of(estimator: Any, columns: Columns, signature: Signature) -> Any:
    """Return columns as the input of an estimator: a frame, or a matrix if it was fitted without names."""
    return match_fitted_names(estimator, to_frame(columns, signature))


def match_fitted_names(estimator: Any, frame: pd.DataFrame) -> Any:
    """Return the frame, or its matrix if the estimator was fitted without names."""
    first = steps_of(estimator)[0]
    named = any(hasattr(each, "feature_names_in_") for each in (estimator, first)) or isinstance(first, ColumnFeatures)
    return frame if named else frame.to_numpy(dtype=np.float64)


def _threads(rows: int) -> AbstractContextManager[Any]:
    return _pools().limit(limits=1) if rows <= _FEW else nullcontext()


@cache
def _pools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="openmp")


def steps_of(estimator: Any) -> list[Any]:
    """Return a pipeline's steps, or the estimator alone."""
    return [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]


def _flat(estimator: Any) -> Iterator[Any]:
    for step in steps_of(estimator):
        if hasattr(step, "steps"):
            yield from _flat(step)
        else:
            yield step
            for _, inner, *_ in [*getattr(step, "transformers_", ()), *getattr(step, "transformer_list", ())]:
                yield from _flat(inner)


def _blocks(data: Any) -> Iterator[tuple[Any, int]]:
    rows = len(data) if not isinstance(data, Mapping) else len(next(iter(data.values())))
    for start in range(0, rows, _BLOCK):
        # The last block is filled up by repeating the last row.
        indices = np.minimum(np.arange(start, start + _BLOCK), rows - 1)
        if isinstance(data, Mapping):
            taken: Any = {name: column[indices] for name, column in data.items()}
        else:
            taken = getattr(data, "iloc", data)[indices]
        yield taken, min(_BLOCK, rows - start)


def to_frame(columns: Columns, signature: Signature) -> pd.DataFrame:
    """Return columns as a frame like that of the training: timestamps in UTC, strings as objects."""
    import pandas as pd

    frame = pd.DataFrame({name: pd.Series(columns[name], dtype=columns[name].dtype) for name in signature.names})
    times = [field.name for field in signature.inputs if field.dtype == "datetime"]
    return frame.assign(**{name: frame[name].dt.tz_localize("UTC") for name in times})
