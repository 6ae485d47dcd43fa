"""The model of a package as the scikit-learn estimator that was fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np

from ..features import ColumnFeatures
from ..signature import Column, Columns, Field, Signature, is_plain_number, training_frame, training_matrix
from .boosters import library_of, use_one_thread, value_errors
from .hist_boosting import replace_preprocessor
from .inner import nested, steps_of
from .scores import scores_of, targets_of
from .skops_file import load_estimator_bytes

__all__ = ["Fitted", "input_of", "match_fitted_names"]

# The number of rows that an estimator with matrix products computes together, if it compares each of them with the
# training rows, which takes long, and if it does not; and of cheap estimators with few numbers, whose calls take longer
# than their calculations.
_SMALL_BLOCK, _BLOCK, _LARGE_BLOCK, _FEW_NUMBERS = 64, 256, 512, 1 << 12
# Up to this number of rows, one thread is faster: threads would wait longer than they work.
_FEW = 5_000


class Fitted:
    """A fitted estimator, ready to predict.

    Attributes
    ----------
    targets
        The targets of the scores.
    narrow
        Whether scikit-learn multiplies matrices in float32; known after the first prediction.
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
        self._leading, self._rest = _divide(self.estimator)
        self._matrix = [] if self._leading else _matrix_fields(self._rest, signature)
        self._block = _block_of(inner)
        starts = [each.init_ for each in inner if _starts_in_float32(each)]
        self.narrow = bool(starts)
        for each in nested(starts):
            _widen(each)
        for each in inner:
            # The threads of a forest add their trees in the order in which they finish, and so round differently.
            if getattr(each, "n_jobs", None) not in (None, 1):
                each.n_jobs = 1
            use_one_thread(each)
            if self._matrix:
                # scikit-learn warns if what was fitted with names gets a matrix.
                getattr(each, "__dict__", {}).pop("feature_names_in_", None)

    def scores(self, columns: Columns) -> Column:
        """Return the scores of all targets, shape (rows, scores).

        The scores of a row do not depend on the other rows. The order of addition in a matrix product depends on its
        shape and memory layout, so every call of a step with matrix products has a block of the same shape, made in the
        same way. Steps before it, which calculate row by row, have all rows at once.

        In float32, the order of addition also depends on the place of a row in its block, so what scikit-learn
        multiplies in float32 is multiplied in float64 here.
        """
        from sklearn import config_context

        rows = len(next(iter(columns.values())))
        threads = _one_thread(every=self._rest is not None, rows=rows)
        with threads, config_context(skip_parameter_validation=True), value_errors():
            data = self._input(columns)
            if self._rest is None:
                return scores_of(self.estimator, self.targets, data)
            for step in self._leading:
                data = step.transform(data)
            if _is_float32(data):
                self.narrow, data = True, data.astype(np.float64)
            # The last block is filled up by repeating the last row.
            blocks = np.minimum(np.arange(-(-rows // self._block) * self._block), rows - 1).reshape(-1, self._block)
            return np.concatenate(
                [
                    scores_of(self._rest, self.targets, _take(data, block, ordered_by_row=not self._matrix))
                    for block in blocks
                ]
            )[:rows]

    def _input(self, columns: Columns) -> Any:
        if self._matrix:
            return training_matrix(columns, self._matrix)
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


# Estimators with a few matrix products for a row, and those that combine others.
_CHEAP = {
    *("LogisticRegression", "LogisticRegressionCV", "LinearRegression", "Ridge", "RidgeCV", "RidgeClassifier", "Lasso"),
    *("RidgeClassifierCV", "ElasticNet", "LinearSVC", "LinearSVR", "SGDClassifier", "SGDRegressor", "Perceptron"),
    *("PoissonRegressor", "GammaRegressor", "TweedieRegressor", "HuberRegressor", "BayesianRidge"),
    *("GaussianNB", "BernoulliNB", "MultinomialNB", "ComplementNB", "LinearDiscriminantAnalysis"),
    *("QuadraticDiscriminantAnalysis", "MLPClassifier", "MLPRegressor", "PCA", "TruncatedSVD", "PolynomialFeatures"),
    *("StackingClassifier", "StackingRegressor", "OneVsRestClassifier", "OneVsOneClassifier", "OutputCodeClassifier"),
    *("ClassifierChain", "RegressorChain", "AdaBoostClassifier", "AdaBoostRegressor", "RFE", "RFECV", "SelectKBest"),
    *("SelectFromModel", "SelfTrainingClassifier", "QuantileTransformer", "PowerTransformer", "SplineTransformer"),
    *("NearestCentroid", "MultiOutputClassifier", "MultiOutputRegressor"),
}


def _divide(estimator: Any) -> tuple[list[Any], Any]:
    """Return the first steps of a pipeline, which calculate row by row, and the rest; None if all do.

    For example, of `make_pipeline(StandardScaler(), PCA(), SVC())` the first step, and a pipeline of the others.
    """
    if all(map(_is_row_by_row, nested(estimator))):
        return [], None
    if type(estimator).__name__ != "Pipeline":
        return [], estimator
    steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
    count = next(number for number, step in enumerate(steps) if not all(map(_is_row_by_row, nested(step))))
    if count == len(steps) - 1:
        return steps[:-1], steps[-1]
    return steps[:count], type(estimator)([(str(number), step) for number, step in enumerate(steps[count:])])


def _matrix_fields(estimator: Any, signature: Signature) -> list[Field]:
    """Return the fields that an estimator reads as a matrix, in its order; none if it needs a frame.

    scikit-learn's estimators make the same matrix of a frame of numbers, and take milliseconds for it.
    """
    inner = list(nested(estimator))
    if not inner or any(not type(each).__module__.startswith("sklearn.") or _reads_frames(each) for each in inner):
        return []
    names = _names_of(steps_of(estimator)[0])
    fields = {field.name: field for field in signature.inputs}
    found = list(fields.values()) if names is None else [fields[name] for name in names if name in fields]
    whole = names is None or len(found) == len(names)
    return found if whole and all(map(is_plain_number, found)) else []


def _reads_frames(each: Any) -> bool:
    return type(each).__name__ in ("ColumnTransformer", "FunctionTransformer") or hasattr(
        each, "_sklearn_output_config"
    )


def _is_row_by_row(each: Any) -> bool:
    from sklearn.base import BaseEstimator

    kind = type(each).__name__
    if kind.startswith(("KNeighbors", "RadiusNeighbors")):
        # Without a tree of neighbors, the distances come from a matrix product.
        return getattr(each, "_fit_method", "brute") != "brute"
    return kind in _ROW_BY_ROW or not isinstance(each, BaseEstimator)


def _block_of(inner: Sequence[Any]) -> int:
    """Return the number of rows that the estimators inside one another compute together."""
    if any(map(_compares_rows, inner)):
        return _SMALL_BLOCK
    cheap = all(_is_row_by_row(each) or type(each).__name__ in _CHEAP for each in inner)
    return _LARGE_BLOCK if cheap and sum(map(_numbers_of, inner)) <= _FEW_NUMBERS else _BLOCK


def _numbers_of(each: Any) -> int:
    """Return how many numbers an estimator holds: its arrays, or the nodes of its tree."""
    arrays = [
        array
        for value in getattr(each, "__dict__", {}).values()
        for array in (value if isinstance(value, (list, tuple)) else [value])
    ]
    return int(getattr(each, "node_count", 0)) + sum(
        getattr(array, "size", 0) for array in arrays if isinstance(array, np.ndarray)
    )


def _starts_in_float32(each: Any) -> bool:
    """Return whether a gradient boosting starts from an estimator with matrix products, which it gives float32 numbers."""
    start = getattr(each, "init_", None)
    trees = type(each).__name__.startswith("GradientBoosting")
    return trees and start is not None and not isinstance(start, str) and not all(map(_is_row_by_row, nested(start)))


def _widen(each: Any) -> None:
    """Turn the float32 arrays of an estimator into float64."""

    def wide(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(map(wide, value)) if type(value) in (list, tuple) else value
        return value.astype(np.float64) if isinstance(value, np.ndarray) and value.dtype == np.float32 else value

    for name, value in list(getattr(each, "__dict__", {}).items()):
        setattr(each, name, wide(value))


def _is_float32(data: Any) -> bool:
    dtypes = getattr(data, "dtypes", [getattr(data, "dtype", None)])
    return len(dtypes) > 0 and all(dtype == np.float32 for dtype in dtypes)


def _compares_rows(each: Any) -> bool:
    """Return whether an estimator compares each row with the training rows."""
    kind, module = type(each).__name__, type(each).__module__
    if kind == "NearestCentroid":
        return False
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
        return frame if list(names) == list(frame) else frame[list(names)]
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


def _take(data: Any, rows: Column, *, ordered_by_row: bool) -> Any:
    """Return some rows of an estimator's input, in the same memory layout whatever the other rows.

    A matrix is ordered by row or, as that of a frame, by column.
    """
    if isinstance(data, dict):
        return {name: np.asarray(column).take(rows) for name, column in data.items()}
    if isinstance(data, np.ndarray):
        return data.take(rows, axis=0) if ordered_by_row else np.asfortranarray(data.take(rows, axis=0))
    if not hasattr(data, "iloc"):
        # A sparse matrix.
        return data[rows]
    block = data.iloc[rows]
    block.index = range(len(rows))
    return block
