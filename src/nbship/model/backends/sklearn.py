"""The model of a package as the scikit-learn estimator that was fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..features import ColumnFeatures
from ..signature import Column, Columns, Signature, Target
from .hist_boosting import shorten
from .skops_file import load_estimator_bytes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Fitted", "finds_outliers", "input_of", "named_or_not", "scores_of", "steps_of", "targets_of"]

_BLOCK = 256
# Up to so many rows, threads cost more than they save: they wait for each other longer than they work.
_FEW = 5_000


class Fitted:
    """A fitted estimator, ready to answer.

    Attributes
    ----------
    targets
        What the scores are of.
    """

    name = "sklearn"

    def __init__(self, data: bytes, *, renamed: Mapping[str, str], signature: Signature) -> None:
        self.estimator = shorten(load_estimator_bytes(data, code=renamed, renamed=renamed))
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
        """Call an estimator so that no row's numbers hang on how many rows there are.

        Products of matrices add in an order that depends on their shape, so these get blocks of one shape.
        """
        if self._row_by_row:
            return function(data)
        return np.concatenate([function(block)[:rows] for block, rows in _blocks(data)])


# Estimators whose answer for a row is computed from that row alone, number by number.
_ROW_BY_ROW = {
    *("ColumnFeatures", "ColumnTransformer", "FeatureUnion", "FunctionTransformer", "SimpleImputer", "str"),
    *("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "OneHotEncoder", "OrdinalEncoder", "NoneType"),
    *("HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "GradientBoostingClassifier"),
    *("GradientBoostingRegressor", "RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier"),
    *("ExtraTreesRegressor", "DecisionTreeClassifier", "DecisionTreeRegressor"),
}


def targets_of(estimator: Any, *, several: int) -> tuple[Target, ...]:
    """Return what a fitted estimator tells; `several` is how many numbers a regression gives."""
    if finds_outliers(estimator):
        return Target(np.array([-1, 1]), probabilistic=False), Target(start=2)
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return tuple(Target(start=place) for place in range(several))
    probabilistic = hasattr(estimator, "predict_proba")
    found: list[Target] = []
    for each in classes if isinstance(classes, (list, tuple)) else [classes]:
        found.append(Target(np.asarray(each), probabilistic, start=found[-1].stop if found else 0))
    return tuple(found)


def finds_outliers(estimator: Any) -> bool:
    """Return whether an estimator tells -1 for an outlier and 1 for others, and by how much."""
    from sklearn.base import is_outlier_detector

    return bool(is_outlier_detector(estimator))


def scores_of(estimator: Any, targets: Sequence[Target], data: Any) -> Column:
    """Return an estimator's scores, shape (rows, scores): probabilities, 1 for the class, or values."""
    if finds_outliers(estimator):
        labels = np.asarray(estimator.predict(data))[:, None]
        return np.column_stack([labels == targets[0].classes, estimator.decision_function(data)])
    if targets[0].classes is None:
        values = np.asarray(estimator.predict(data), dtype=np.float64)
        return values.reshape(len(values), -1)
    if targets[0].probabilistic:
        told = estimator.predict_proba(data)
        return np.asarray(np.concatenate(told, axis=1) if isinstance(told, list) else told, dtype=np.float64)
    labels = np.asarray(estimator.predict(data))
    labels = labels.reshape(len(labels), -1)
    parts = [labels[:, [place]] == each.classes for place, each in enumerate(targets)]
    return np.concatenate(parts, axis=1).astype(np.float64)


def input_of(estimator: Any, columns: Columns, signature: Signature) -> Any:
    """Return columns as what an estimator was fitted on: a frame, or a matrix where it knows no names."""
    return named_or_not(estimator, to_frame(columns, signature))


def named_or_not(estimator: Any, frame: pd.DataFrame) -> Any:
    """Return a frame, or the matrix of it where the estimator was fitted on one without names."""
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
        places = np.minimum(np.arange(start, start + _BLOCK), rows - 1)
        if isinstance(data, Mapping):
            taken: Any = {name: column[places] for name, column in data.items()}
        else:
            taken = getattr(data, "iloc", data)[places]
        yield taken, min(_BLOCK, rows - start)


def to_frame(columns: Columns, signature: Signature) -> pd.DataFrame:
    """Return columns as the frame that an estimator was trained on: times are zoned UTC, texts are objects."""
    import pandas as pd

    frame = pd.DataFrame({name: pd.Series(columns[name], dtype=columns[name].dtype) for name in signature.names})
    times = [field.name for field in signature.inputs if field.dtype == "datetime"]
    return frame.assign(**{name: frame[name].dt.tz_localize("UTC") for name in times})
