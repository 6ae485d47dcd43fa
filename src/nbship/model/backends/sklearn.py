"""The model of a package as the scikit-learn estimator that was fitted."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np

from ..features import ColumnFeatures
from ..signature import Column, Columns, Signature, training_frame
from .boosters import library_of, use_one_thread, value_errors
from .hist_boosting import replace_preprocessor
from .inner import nested, steps_of
from .scores import scores_of, targets_of
from .skops_file import load_estimator_bytes

__all__ = ["Fitted", "input_of", "match_fitted_names"]

# The number of rows that an estimator with matrix products computes together, if it compares each of them with the
# training rows, which takes long, and if it does not.
_SMALL_BLOCK, _BLOCK = 64, 256
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
        inner = list(nested(self.estimator))
        self._row_by_row = all(map(_is_row_by_row, inner))
        self._block = _SMALL_BLOCK if any(map(_compares_rows, inner)) else _BLOCK
        for each in inner:
            # The threads of a forest add their trees in the order in which they finish, and so round differently.
            if getattr(each, "n_jobs", None) not in (None, 1):
                each.n_jobs = 1
            use_one_thread(each)

    def scores(self, columns: Columns) -> Column:
        """Return the scores of all targets, shape (rows, scores).

        The scores of a row do not depend on the other rows. The order of addition in a matrix product depends on its
        shape and memory layout, so every call of an estimator with matrix products has a block of the same shape,
        made in the same way.
        """
        from sklearn import config_context

        rows = len(next(iter(columns.values())))
        threads = _one_thread(every=not self._row_by_row, rows=rows)
        with threads, config_context(skip_parameter_validation=True), value_errors():
            if self._row_by_row:
                return scores_of(self.estimator, self.targets, self._input(columns))
            # The last block is filled up by repeating the last row.
            indices = np.minimum(np.arange(-(-rows // self._block) * self._block), rows - 1)
            data = self._input({name: np.asarray(column)[indices] for name, column in columns.items()})
            return np.concatenate(
                [
                    scores_of(self.estimator, self.targets, _block(data, slice(start, start + self._block)))
                    for start in range(0, rows, self._block)
                ]
            )[:rows]

    def _input(self, columns: Columns) -> Any:
        return columns if self._takes_columns else input_of(self.estimator, columns, self._signature)


# Estimators without matrix products: the calculations for a row do not depend on the number of rows.
_ROW_BY_ROW = {
    *("Pipeline", "ColumnFeatures", "ColumnTransformer", "FeatureUnion", "FunctionTransformer", "SimpleImputer"),
    *("MissingIndicator", "StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "OneHotEncoder"),
    *("OrdinalEncoder", "TargetEncoder", "KBinsDiscretizer", "Binarizer", "LabelEncoder", "LabelBinarizer"),
    *("HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "GradientBoostingClassifier"),
    *("GradientBoostingRegressor", "RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier"),
    *("ExtraTreesRegressor", "DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier"),
    *("ExtraTreeRegressor", "IsolationForest", "BaggingClassifier", "BaggingRegressor", "VotingClassifier"),
    *("VotingRegressor", "CalibratedClassifierCV", "FixedThresholdClassifier", "FrozenEstimator"),
    *("TransformedTargetRegressor", "MultiOutputClassifier", "MultiOutputRegressor", "DummyClassifier"),
    *("DummyRegressor", "IsotonicRegression", "_SigmoidCalibration", "_BinMapper"),
    *("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor", "LGBMClassifier", "LGBMRegressor"),
    # libsvm computes one row after the other.
    *("SVC", "SVR", "NuSVC", "NuSVR", "OneClassSVM"),
}


def _is_row_by_row(each: Any) -> bool:
    from sklearn.base import BaseEstimator

    kind = type(each).__name__
    if kind.startswith(("KNeighbors", "RadiusNeighbors")):
        # Without a tree of neighbors, the distances come from a matrix product.
        return getattr(each, "_fit_method", "brute") != "brute"
    return kind in _ROW_BY_ROW or not isinstance(each, BaseEstimator)


def _compares_rows(each: Any) -> bool:
    """Return whether an estimator compares each row with the training rows."""
    kind, module = type(each).__name__, type(each).__module__
    return module.startswith(("sklearn.neighbors.", "sklearn.gaussian_process.")) or kind in (
        *("KernelRidge", "KernelPCA", "KNNImputer", "LabelPropagation", "LabelSpreading"),
    )


def input_of(estimator: Any, columns: Columns, signature: Signature) -> Any:
    """Return columns as the input of an estimator, with the types of the training frame."""
    return match_fitted_names(estimator, training_frame(columns, signature.inputs))


def match_fitted_names(estimator: Any, frame: Any) -> Any:
    """Return the columns that an estimator was fitted with, in its order; a matrix if it was fitted without names."""
    first = steps_of(estimator)[0]
    if isinstance(first, ColumnFeatures):
        return frame
    names = next((found for each in (estimator, first) if (found := _names_of(each)) is not None), None)
    if names is not None and set(names) <= set(frame):
        return frame[list(names)]
    if library_of(first) or (names is None and type(first).__module__.startswith("sklearn.")):
        kinds = {dtype for dtype in frame.dtypes if isinstance(dtype, np.dtype)}
        if len(kinds) == 1 and all(isinstance(dtype, np.dtype) and dtype.kind in "fiub" for dtype in frame.dtypes):
            return frame.to_numpy()
        if all(getattr(dtype, "kind", "O") in "fiub" for dtype in frame.dtypes):
            return frame.to_numpy(dtype=np.float64, na_value=np.nan)
        return frame.set_axis(range(frame.shape[1]), axis=1)
    return frame


def _names_of(estimator: Any) -> Any:
    """Return the names that an estimator was fitted with, or that LightGBM and CatBoost gave to the columns of a matrix."""
    return getattr(estimator, "feature_names_in_", getattr(estimator, "feature_names_", None))


def _one_thread(*, every: bool, rows: int) -> AbstractContextManager[Any]:
    """Limit the threads of OpenMP for few rows, and those of matrix products always, which divide the additions."""
    from contextlib import nullcontext

    if every:
        return _pools(None).limit(limits=1)  # type: ignore[no-any-return]
    return _pools("openmp").limit(limits=1) if rows <= _FEW else nullcontext()


@cache
def _pools(kind: str | None) -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController() if kind is None else ThreadpoolController().select(user_api=kind)


def _block(data: Any, rows: slice) -> Any:
    """Return some rows of an estimator's input, in the same memory layout whatever the other rows."""
    if isinstance(data, dict):
        return {name: column[rows].copy() for name, column in data.items()}
    if isinstance(data, np.ndarray):
        return data[rows].copy()
    block = data.iloc[rows].copy()
    return block.set_axis(range(len(block)), axis=0)
