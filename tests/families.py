"""Families of models over the same data: numbers with nulls, string categories, a numeric category, a boolean."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn import discriminant_analysis, ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA, FastICA, TruncatedSVD
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import RBFSampler
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.random_projection import SparseRandomProjection
from sklearn.utils.fixes import parse_version

from nbship.model import Field, Signature

NUMBERS = ("length", "mass", "price", "age")
COLOURS = ("blue", "green", "red")
# Folds that are not shuffled: scikit-learn 1.9 deprecates `shuffle`, and 1.8 takes no splitter.
FOLDS: dict[str, Any] = (
    {"cv": KFold(3)} if parse_version(sklearn.__version__) >= parse_version("1.9") else {"cv": 3, "shuffle": False}
)


def make_rows(count: int = 1500, *, seed: int = 0) -> pd.DataFrame:
    """Return rows; magnitudes from 0.01 to 10,000, a tenth of the numbers missing."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {name: random.normal(1, 1, count) * 10.0**power for power, name in zip((-2, 0, 2, 4), NUMBERS, strict=True)}
    )
    frame = frame.mask(random.random(frame.shape) < 0.1)
    frame["doors"] = random.integers(2, 6, count)
    frame["new"] = random.random(count) < 0.4
    frame["colour"] = pd.Series(random.choice(COLOURS, count), dtype=object)
    town = pd.Series(random.choice([f"town {number}" for number in range(15)], count), dtype=object)
    frame["town"] = town.where(random.random(count) > 0.05, None)
    return frame  # fmt: skip


def make_target(frame: pd.DataFrame, kind: str) -> Any:
    """Return a target: "binary" (0, 1), "multiclass" (strings), "value" or "positive" (numbers)."""
    drive = frame["length"].fillna(0) * 50 + frame["mass"].fillna(1) + frame["new"] + (frame["colour"] == "red")
    score = (drive + frame["doors"] / 4 + np.random.default_rng(7).normal(0, 0.5, len(frame))).to_numpy()
    if kind == "binary":
        return (score > 3.5).astype(int)
    if kind == "multiclass":
        return np.array(["high", "low", "middle"], dtype=object)[np.digitize(score, [2.5, 4.0])]
    return score if kind == "value" else np.exp(score / 3)


def make_signature() -> Signature:
    """Return the signature: three colours are allowed, and any town."""
    return Signature(
        inputs=(
            *(Field(name, "float", nullable=True) for name in NUMBERS),
            Field("doors", "int"),
            Field("new", "bool"),
            Field("colour", "category", categories=COLOURS),
            Field("town", "string", nullable=True),
        )
    )


def preprocessing(*, impute: bool = True) -> ColumnTransformer:
    """Imputed and scaled numbers; one-hot categories."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler()) if impute else RobustScaler()
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=0.05, sparse_output=False)
    return ColumnTransformer(
        [("numbers", numbers, list(NUMBERS)), ("categories", encoder, ["doors", "colour", "town"]), ("new", "passthrough", ["new"])]
    )  # fmt: skip


def ordinal() -> ColumnTransformer:
    """Categories encoded as integers, followed by unchanged numbers."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    return ColumnTransformer([("categories", encoder, ["colour", "town"]), ("rest", "passthrough", [*NUMBERS, "doors", "new"])])  # fmt: skip


def varied() -> ColumnTransformer:
    """A different transformation for each number; towns encoded by their mean target."""
    binned = make_pipeline(KBinsDiscretizer(3, encode="onehot-dense", strategy="uniform"))
    scaled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), MinMaxScaler(), StandardScaler())
    largest = make_pipeline(SimpleImputer(strategy="constant", fill_value=-1.5), MaxAbsScaler())
    return ColumnTransformer(
        [("scaled", scaled, ["length", "mass"]), ("largest", largest, ["price", "age"]), ("binned", binned, ["doors"]),
         ("town", TargetEncoder(**FOLDS), ["town"])]
    )  # fmt: skip


def curved(*, bounded: bool = False) -> ColumnTransformer:
    """Columns that increase with their numbers and are not affine, and imputers of a marker.

    Bounded columns are finite for every number: forests reject infinite ones.
    """
    quantiles = make_pipeline(SimpleImputer(), QuantileTransformer(n_quantiles=20))
    marked = make_pipeline(SimpleImputer(missing_values=3, add_indicator=True), FunctionTransformer(np.cbrt))
    texts = make_pipeline(SimpleImputer(missing_values="green", strategy="most_frequent"), OrdinalEncoder())
    infinite = [("power", PowerTransformer(), ["length"]), ("log", FunctionTransformer(np.log1p), ["doors"])]
    return ColumnTransformer(
        [*([] if bounded else infinite), ("quantiles", quantiles, ["mass"]), ("root", FunctionTransformer(np.cbrt), ["price"]),
         ("marked", marked, ["doors"]), ("texts", texts, ["colour"])]
    )  # fmt: skip


def some_of(names: Iterable[str], every: int) -> list[Any]:
    """Return names as test cases; all but the first of every so many are marked as long."""
    return [
        name if place % every == 0 else pytest.param(name, marks=pytest.mark.long) for place, name in enumerate(names)
    ]


@dataclass(frozen=True)
class Family:
    """An estimator, its target, and the expected backend of its package."""

    make: Callable[[], Any]
    target: str = "binary"
    path: str = "tables"


def _of(columns: Callable[[], Any], estimator: Callable[[], Any], target: str = "binary", path: str = "tables") -> Family:  # fmt: skip
    return Family(lambda: make_pipeline(columns(), estimator()), target, path)


BOOST: dict[str, Any] = {"max_iter": 15, "random_state": 0, "early_stopping": False}
FAMILIES = {
    "logistic": _of(preprocessing, lambda: linear_model.LogisticRegression(max_iter=500)),
    "logistic, three classes": _of(varied, lambda: linear_model.LogisticRegression(max_iter=500), "multiclass"),
    "ridge": _of(varied, linear_model.Ridge, "value"),
    "lasso": _of(preprocessing, lambda: linear_model.Lasso(0.01), "value"),
    "poisson": _of(preprocessing, linear_model.PoissonRegressor, "positive"),
    "linear support vectors": _of(preprocessing, svm.LinearSVC),
    "tree": _of(preprocessing, lambda: tree.DecisionTreeClassifier(max_depth=7, random_state=0)),
    "boosting": _of(preprocessing, lambda: ensemble.HistGradientBoostingClassifier(**BOOST)),
    "boosting, missing values": _of(lambda: preprocessing(impute=False), lambda: ensemble.HistGradientBoostingClassifier(**BOOST, max_leaf_nodes=50)),
    "boosting, many leaves": _of(ordinal, lambda: ensemble.HistGradientBoostingRegressor(**BOOST, max_leaf_nodes=200, min_samples_leaf=2), "value"),
    "boosting, categories": _of(ordinal, lambda: ensemble.HistGradientBoostingClassifier(**BOOST, categorical_features=[0, 1])),
    "boosting, three classes": _of(varied, lambda: ensemble.HistGradientBoostingClassifier(**BOOST), "multiclass"),
    "boosting, curved columns": _of(curved, lambda: ensemble.HistGradientBoostingClassifier(**BOOST)),
    "forest, curved columns": _of(lambda: curved(bounded=True), lambda: ensemble.RandomForestRegressor(15, random_state=0), "value"),
    "boosting, gamma": _of(ordinal, lambda: ensemble.HistGradientBoostingRegressor(**BOOST, loss="gamma"), "positive"),
    "gradient boosting": _of(preprocessing, lambda: ensemble.GradientBoostingClassifier(n_estimators=15, random_state=0)),
    "gradient boosting, exponential": _of(preprocessing, lambda: ensemble.GradientBoostingClassifier(loss="exponential", n_estimators=15, random_state=0)),
    "gradient boosting, three classes": _of(varied, lambda: ensemble.GradientBoostingClassifier(n_estimators=8, random_state=0), "multiclass"),
    "gradient boosting, value": _of(preprocessing, lambda: ensemble.GradientBoostingRegressor(n_estimators=15, random_state=0), "value"),
    "forest": _of(preprocessing, lambda: ensemble.RandomForestClassifier(15, random_state=0)),
    "forest, three classes": _of(lambda: preprocessing(impute=False), lambda: ensemble.RandomForestClassifier(10, min_samples_leaf=5, random_state=0), "multiclass"),
    "forest, grown": _of(preprocessing, lambda: ensemble.RandomForestClassifier(200, random_state=0), path="nodes"),
    "forest, grown, three classes": _of(lambda: preprocessing(impute=False), lambda: ensemble.RandomForestClassifier(200, random_state=0), "multiclass", path="nodes"),
    "forest, grown, value": _of(varied, lambda: ensemble.RandomForestRegressor(80, random_state=0), "value", path="nodes"),
    "voting with a grown forest": _of(preprocessing, lambda: ensemble.VotingClassifier([("a", linear_model.LogisticRegression()), ("b", ensemble.ExtraTreesClassifier(200, random_state=0))], voting="soft", weights=[1, 3]), path="nodes"),
    "extra trees": _of(preprocessing, lambda: ensemble.ExtraTreesRegressor(10, min_samples_leaf=5, random_state=0), "value"),
    "support vectors": _of(preprocessing, svm.SVC, path="onnx"),
    "neighbours": _of(preprocessing, neighbors.KNeighborsClassifier, path="sklearn"),
    "naive Bayes": _of(preprocessing, naive_bayes.GaussianNB),
    "network": _of(preprocessing, lambda: neural_network.MLPClassifier((8,), max_iter=300, random_state=0, tol=1e-2)),
    "network, three classes": _of(varied, lambda: neural_network.MLPClassifier((9, 5), activation="tanh", max_iter=300, random_state=0, tol=1e-2), "multiclass"),
    "network, value": _of(preprocessing, lambda: neural_network.MLPRegressor(hidden_layer_sizes=(8,), activation="logistic", max_iter=300, random_state=0, tol=1e-2), "value"),
    "naive Bayes, three classes": _of(varied, naive_bayes.GaussianNB, "multiclass"),
    "naive Bayes of flags": _of(preprocessing, naive_bayes.BernoulliNB),
    "naive Bayes of counts": _of(lambda: make_pipeline(preprocessing(), MinMaxScaler()), naive_bayes.MultinomialNB, "multiclass"),
    "complements": _of(lambda: make_pipeline(preprocessing(), MinMaxScaler()), naive_bayes.ComplementNB, "multiclass"),
    "quadratic discriminants": _of(varied, lambda: discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.1), "multiclass"),
    "linear discriminants": _of(preprocessing, discriminant_analysis.LinearDiscriminantAnalysis),
    "linear discriminants, three classes": _of(varied, discriminant_analysis.LinearDiscriminantAnalysis, "multiclass"),
    "stochastic descent": _of(preprocessing, lambda: linear_model.SGDClassifier(loss="log_loss", random_state=0)),
    "perceptron": _of(varied, linear_model.Perceptron, "multiclass"),
    "tweedie": _of(preprocessing, lambda: linear_model.TweedieRegressor(power=1.5), "positive"),
    "principal components": _of(lambda: make_pipeline(preprocessing(), PCA(4, whiten=True)), lambda: linear_model.LogisticRegression(max_iter=500)),
    "singular values": _of(lambda: make_pipeline(preprocessing(), TruncatedSVD(3), StandardScaler()), linear_model.Ridge, "value"),
    "independent components": _of(lambda: make_pipeline(preprocessing(), FastICA(3, random_state=0), SelectKBest(f_regression, k=2)), linear_model.Ridge, "value"),
    "polynomials": _of(lambda: make_pipeline(preprocessing(), PolynomialFeatures(2), StandardScaler(with_mean=False)), lambda: linear_model.Ridge(10), "value"),
    "rows of length 1": _of(lambda: make_pipeline(preprocessing(), Normalizer()), lambda: linear_model.LogisticRegression(max_iter=500)),
    "random kernel": _of(lambda: make_pipeline(preprocessing(), RBFSampler(n_components=30, random_state=0), RobustScaler()), linear_model.RidgeClassifier),
    "random projection": _of(lambda: make_pipeline(preprocessing(), SparseRandomProjection(4, random_state=0), MaxAbsScaler(), MinMaxScaler()), svm.LinearSVC),
    "stacking": _of(preprocessing, lambda: ensemble.StackingClassifier([("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(max_depth=3))]), path="sklearn"),
    "voting": _of(preprocessing, lambda: ensemble.VotingClassifier([("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(max_depth=4))], voting="soft", weights=[2, 1])),
    "voting with naive Bayes": _of(preprocessing, lambda: ensemble.VotingClassifier([("a", linear_model.LogisticRegression()), ("b", naive_bayes.GaussianNB())], voting="soft")),
    "voting, value": _of(preprocessing, lambda: ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", ensemble.HistGradientBoostingRegressor(**BOOST))]), "value"),
    "transformed target": _of(preprocessing, lambda: TransformedTargetRegressor(linear_model.Ridge(), transformer=StandardScaler()), "value"),
    "isolation forest": _of(preprocessing, lambda: ensemble.IsolationForest(n_estimators=20, random_state=0), path="sklearn"),
    "calibrated": _of(preprocessing, lambda: CalibratedClassifierCV(tree.DecisionTreeClassifier(max_depth=4), cv=3)),
    "calibrated boosting": _of(ordinal, lambda: CalibratedClassifierCV(ensemble.HistGradientBoostingClassifier(**BOOST), cv=3, method="isotonic")),
    "calibrated, three classes": _of(preprocessing, lambda: CalibratedClassifierCV(svm.LinearSVC(), cv=3), "multiclass"),
    "calibrated support vectors": _of(preprocessing, lambda: CalibratedClassifierCV(svm.SVC(), cv=3), path="onnx"),
}  # fmt: skip


@cache
def fitted(name: str) -> Any:
    """Return the fitted model of a family."""
    frame = make_rows()
    return FAMILIES[name].make().fit(frame, make_target(frame, FAMILIES[name].target))
