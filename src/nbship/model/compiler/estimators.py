"""The calculation of a fitted estimator: a sum of leaf values or of weighted columns, and a link function.

It is read from scikit-learn's fitted attributes. The order of the sums is that of scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import NotCompilableError
from ..backends import library_of
from .boosters import read_booster
from .ensembles import Ensemble, Linear, Tree

__all__ = ["Ensemble", "Linear", "Tree", "read_scores"]


def read_scores(estimator: Any) -> Ensemble | Linear:
    """Return the calculation of a fitted estimator.

    Raises
    ------
    NotCompilableError
        If it is neither an ensemble of trees nor a linear model, or its type is not supported.
    """
    kind = type(estimator).__name__
    if type(estimator).__module__.startswith("sklearn."):
        if kind.startswith("HistGradientBoosting"):
            return _histogram_boosting(estimator)
        if kind in ("GradientBoostingClassifier", "GradientBoostingRegressor"):
            return _gradient_boosting(estimator)
        if kind in _FORESTS:
            return _forest(estimator, list(estimator.estimators_))
        if kind in _TREES:
            return _forest(estimator, [estimator])
        if kind in ("BaggingClassifier", "BaggingRegressor"):
            return _bagging(estimator)
        if kind in _LIKELY or kind in _DECIDED or kind in _REGRESSIONS or kind == "TweedieRegressor":
            return _linear(estimator)
    if library_of(estimator):
        return read_booster(estimator)
    raise NotCompilableError(f"{kind} is neither an ensemble of trees nor a linear model")


_FORESTS = ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor")
_TREES = ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor")
# Of linear classifiers: those with probabilities, and those with a decision alone.
_LIKELY = ("LogisticRegression", "LogisticRegressionCV", "LinearDiscriminantAnalysis")
_DECIDED = (
    "LinearSVC",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "SGDClassifier",
    "Perceptron",
    "PassiveAggressiveClassifier",
)
_REGRESSIONS = {
    **dict.fromkeys(("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet"), "identity"),
    **dict.fromkeys(("ElasticNetCV", "SGDRegressor", "HuberRegressor", "LinearSVR", "BayesianRidge"), "identity"),
    **dict.fromkeys(("ARDRegression", "Lars", "LarsCV", "LassoLars", "LassoLarsCV", "LassoLarsIC"), "identity"),
    **dict.fromkeys(("OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV", "TheilSenRegressor"), "identity"),
    **dict.fromkeys(("PassiveAggressiveRegressor", "QuantileRegressor"), "identity"),
    **dict.fromkeys(("PoissonRegressor", "GammaRegressor"), "exp"),
}


def _histogram_boosting(boosting: Any) -> Ensemble:
    base = np.asarray(boosting._baseline_prediction, dtype=np.float64).reshape(-1)
    known, indices = boosting._bin_mapper.make_known_categories_bitsets()
    trees = []
    for iteration in boosting._predictors:
        for output, predictor in enumerate(iteration):
            nodes, leaf = predictor.nodes, predictor.nodes["is_leaf"].astype(bool)
            tree = Tree(
                left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
                right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
                column=nodes["feature_idx"].astype(np.int64),
                threshold=nodes["num_threshold"],
                missing_left=nodes["missing_go_to_left"].astype(bool),
                values=nodes["value"].reshape(-1, 1),
                sets={
                    int(node): (
                        _bits(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]),
                        _bits(known[indices[nodes["feature_idx"][node]]]),
                    )
                    for node in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf)
                },
            )
            trees.append((tree, output))
    link = {"poisson": "exp", "gamma": "exp"}.get(boosting.loss, "identity")
    if hasattr(boosting, "classes_"):
        link = "expit" if len(base) == 1 else "softmax"
    return Ensemble(trees, base, narrow=False, link=link)


def _bits(words: Any) -> Any:
    # For example, category 37 is bit 5 of the second word.
    return np.unpackbits(np.asarray(words, dtype="<u4").view(np.uint8), bitorder="little").astype(bool)


def _gradient_boosting(boosting: Any) -> Ensemble:
    if boosting.init is not None and boosting.init != "zero":
        raise NotCompilableError(f"{type(boosting).__name__} starts from a custom estimator (init=…)")
    base = boosting._raw_predict_init(np.zeros((1, boosting.n_features_in_), dtype=np.float32))
    trees = []
    for stage in boosting.estimators_:
        for output, each in enumerate(stage):
            tree = _tree(each.tree_)
            # scikit-learn scales each leaf before it adds: the scaled values must round in the same way.
            values = boosting.learning_rate * tree.values
            # Gradient boosting does not support missing values: a comparison with NaN is false, so NaN goes right.
            never = np.zeros_like(tree.missing_left)
            trees.append(
                (Tree(tree.left, tree.right, tree.column, tree.threshold, never, values), output),
            )
    link = "identity"
    if hasattr(boosting, "classes_"):
        binary = "expit of twice" if boosting.loss == "exponential" else "expit"
        link = binary if len(boosting.classes_) == 2 else "softmax"
    return Ensemble(trees, np.asarray(base, dtype=np.float64).reshape(-1), narrow=True, link=link)


def _forest(estimator: Any, members: Sequence[Any]) -> Ensemble:
    if getattr(estimator, "n_outputs_", 1) != 1:
        raise NotCompilableError(f"{type(estimator).__name__} has several outputs")
    trees = [(_tree(member.tree_), None) for member in members]
    outputs = trees[0][0].values.shape[1]
    return Ensemble(trees, np.zeros(outputs), narrow=True, divisor=float(len(trees)))


def _bagging(bagging: Any) -> Ensemble:
    """Return bagged trees, each over its own columns; a classifier's tree may know some of the classes only."""
    if any(type(each).__name__ not in _TREES for each in bagging.estimators_):
        raise NotCompilableError(f"{type(bagging).__name__} has other estimators than trees")
    trees: list[tuple[Tree, int | None]] = []
    outputs = len(getattr(bagging, "classes_", "1"))
    for each, columns in zip(bagging.estimators_, bagging.estimators_features_, strict=True):
        tree = _tree(each.tree_)
        values = tree.values
        if hasattr(each, "classes_"):
            # The classes of a tree are indices of the classes of all.
            values = np.zeros((len(tree.values), outputs))
            values[:, each.classes_.astype(np.int64)] = tree.values
        column = np.where(tree.left < 0, 0, np.asarray(columns)[np.maximum(tree.column, 0)])
        trees.append((replace(tree, column=column, values=values), None))
    return Ensemble(trees, np.zeros(outputs), narrow=True, divisor=float(len(trees)))


def _tree(tree: Any) -> Tree:
    return Tree(
        left=tree.children_left,
        right=np.where(tree.children_left < 0, -1, tree.children_right),
        column=tree.feature,
        threshold=tree.threshold,
        missing_left=tree.missing_go_to_left.astype(bool),
        values=tree.value[:, 0, :],
    )


def _linear(estimator: Any) -> Linear:
    kind = type(estimator).__name__
    weights = np.atleast_2d(np.asarray(estimator.coef_, dtype=np.float64))
    base = np.broadcast_to(np.asarray(estimator.intercept_, dtype=np.float64), len(weights))
    if kind not in _LIKELY and kind not in _DECIDED:
        if len(weights) > 1:
            raise NotCompilableError(f"{kind} has several outputs")
        return Linear(weights, base, link=_REGRESSIONS.get(kind) or _tweedie_link(estimator))
    if (
        hasattr(estimator, "predict_proba")
        and kind == "SGDClassifier"
        and (estimator.loss != "log_loss" or len(weights) > 1)
    ):
        raise NotCompilableError("SGDClassifier calculates probabilities by a rule of its own")
    if not hasattr(estimator, "predict_proba"):
        return Linear(weights, base, link="decision")
    return Linear(weights, base, link="expit" if len(weights) == 1 else "softmax")


def _tweedie_link(estimator: Any) -> str:
    logarithmic = estimator.link == "log" or (estimator.link == "auto" and estimator.power > 0)
    return "exp" if logarithmic else "identity"
