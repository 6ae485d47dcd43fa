"""The calculation of a fitted estimator of XGBoost, LightGBM or CatBoost, read from the library's own description.

XGBoost rounds columns to float32, and adds float32 leaf values in the order of its trees; so do the tables.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import NotCompilableError
from ..backends import library_of
from .ensembles import Ensemble, Tree

__all__ = ["read_booster"]

_XGBOOST_LINKS = {
    "binary:logistic": "float32 expit",
    "multi:softprob": "float32 softmax",
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie"), "float32 exp"),
    **dict.fromkeys(("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror"), "identity"),
    "reg:quantileerror": "identity",
}
_LIGHTGBM_LINKS = {
    **dict.fromkeys(("binary", "cross_entropy"), "expit"),
    "multiclass": "softmax",
    **dict.fromkeys(("poisson", "gamma", "tweedie"), "exp"),
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape"), "identity"),
}
_CATBOOST_LINKS = {
    **dict.fromkeys(("Logloss", "CrossEntropy"), "expit"),
    "MultiClass": "softmax",
    **dict.fromkeys(("Poisson", "Tweedie"), "exp"),
    **dict.fromkeys(("RMSE", "MAE", "Quantile", "MAPE", "Huber", "LogCosh", "Lq", "Expectile"), "identity"),
}

# The links of classifiers; a regression may have such an objective too.
_PROBABILITIES = ("expit", "softmax")
# LightGBM's kinds of null, of which 0 is none, and its largest number that counts as zero.
_ZERO, _NAN = 1, 2
_TINY = float(np.float32(1e-35))


def read_booster(estimator: Any) -> Ensemble:
    """Return the calculation of a fitted estimator.

    Raises
    ------
    NotCompilableError
        If its trees, its objective or its use of null are not supported.
    """
    read = {"xgboost": _xgboost, "lightgbm": _lightgbm, "catboost": _catboost}
    return read[library_of(estimator)](estimator)


def _link(links: Mapping[str, str], objective: str, estimator: Any) -> str:
    if objective not in links or (
        links[objective].endswith(_PROBABILITIES) and not hasattr(estimator, "predict_proba")
    ):
        raise NotCompilableError(f"{type(estimator).__name__} has the objective '{objective}'")
    return links[objective]


def _xgboost(estimator: Any) -> Ensemble:
    kind = type(estimator).__name__
    if not np.isnan(estimator.missing):
        raise NotCompilableError(f"{kind} has another null than NaN (missing=…)")
    booster = estimator.get_booster()
    learner = json.loads(booster.save_raw("json"))["learner"]
    if learner["gradient_booster"]["name"] != "gbtree":
        raise NotCompilableError(f"{kind} has the booster '{learner['gradient_booster']['name']}'")
    link = _link(_XGBOOST_LINKS, learner["objective"]["name"], estimator)
    base = _margin_without_trees(booster)
    model = learner["gradient_booster"]["model"]
    # The trees from `indptr[i]` to `indptr[i + 1]` are of iteration i.
    end = model["iteration_indptr"][estimator._get_iteration_range(None)[1] or -1]
    trees = [
        (_xgboost_tree(tree, kind), int(output))
        for tree, output in zip(model["trees"][:end], model["tree_info"][:end], strict=True)
    ]
    return Ensemble(trees, base, narrow=True, link=link)


def _xgboost_tree(tree: Mapping[str, Any], kind: str) -> Tree:
    if any(tree["split_type"]) or int(tree["tree_param"]["size_leaf_vector"]) > 1:
        raise NotCompilableError(f"{kind} splits on categories, or its leaves are vectors")
    left, conditions = np.array(tree["left_children"]), np.array(tree["split_conditions"], dtype=np.float32)
    return Tree(
        left=left,
        right=np.where(left < 0, -1, tree["right_children"]),
        column=np.array(tree["split_indices"]),
        # XGBoost's test is x < t, which is x <= the float32 before t.
        threshold=np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64),
        missing_left=np.array(tree["default_left"], dtype=bool),
        values=conditions[:, None],
    )


def _margin_without_trees(booster: Any) -> Any:
    """Return what XGBoost adds the trees to, by its own calculation: that of the same trees with zeros in their leaves."""
    import xgboost

    stored = json.loads(booster.save_raw("json"))
    for tree in stored["learner"]["gradient_booster"]["model"]["trees"]:
        leaves = np.array(tree["left_children"]) < 0
        tree["split_conditions"] = np.where(leaves, 0.0, tree["split_conditions"]).tolist()
    stored["learner"]["attributes"] = {}
    empty = xgboost.Booster()
    empty.load_model(bytearray(json.dumps(stored).encode()))
    row = xgboost.DMatrix(np.zeros((1, empty.num_features())))
    return np.asarray(empty.predict(row, output_margin=True, validate_features=False), dtype=np.float32).reshape(-1)


def _lightgbm(estimator: Any) -> Ensemble:
    head, *blocks = estimator.booster_.model_to_string().partition("\nend of trees")[0].split("\nTree=")
    about = dict(line.partition("=")[::2] for line in head.splitlines())
    objective, *options = about.get("objective", "custom").split(" ")
    link, outputs = _link(_LIGHTGBM_LINKS, objective, estimator), int(about["num_tree_per_iteration"])
    settings = dict(option.partition(":")[::2] for option in options)
    if "sqrt" in options:
        raise NotCompilableError(f"{type(estimator).__name__} predicts the square root of its target (reg_sqrt=True)")
    trees = [(_lightgbm_tree(block, type(estimator).__name__), index % outputs) for index, block in enumerate(blocks)]
    divisor = 1 / float(settings.get("sigmoid", 1))
    if "average_output" in about:
        divisor *= len(blocks) // outputs
    return Ensemble(trees, np.zeros(outputs), narrow=False, link=link, divisor=divisor)


def _lightgbm_tree(block: str, kind: str) -> Tree:
    """Return a tree from its lines, such as `left_child=1 -1`: node 1, and leaf 0."""
    lines = dict(line.partition("=")[::2] for line in block.splitlines())
    if lines.get("is_linear", "0") != "0":
        raise NotCompilableError(f"{kind} has linear models in its leaves (linear_tree=True)")
    inner = int(lines["num_leaves"]) - 1
    leaves = np.full(inner + 1, -1)

    def array(name: str, dtype: Any = np.int64) -> Any:
        return np.array(lines.get(name, "").split(), dtype=dtype)

    def children(name: str) -> Any:
        found = array(name) if inner else leaves[:0]
        return np.concatenate([np.where(found < 0, inner + ~found, found), leaves])

    decision, threshold = array("decision_type") if inner else leaves[:0], array("threshold", float)
    categorical, missing = decision & 1, decision >> 2 & 3
    if (missing[categorical == 0] == _ZERO).any():
        raise NotCompilableError(f"{kind} has zero as null (zero_as_missing=True)")
    # A tree without null in training compares it as zero; null is not in any category.
    default = np.where(missing == _NAN, decision & 2 > 0, threshold[:inner] >= 0) & (categorical == 0)
    # A number this small is compared as zero.
    near = np.abs(threshold) <= _TINY
    threshold = np.where(near & (threshold < 0), np.nextafter(-_TINY, -1), np.where(near, _TINY, threshold))
    ends, words = array("cat_boundaries"), array("cat_threshold", np.uint32)
    sets = {}
    for node in np.flatnonzero(categorical).tolist():
        own = words[ends[int(threshold[node])] : ends[int(threshold[node]) + 1]]
        left = np.unpackbits(own.view(np.uint8), bitorder="little").astype(bool)
        sets[node] = (left, np.ones_like(left))
    padding = np.zeros(inner + 1)
    return Tree(
        left=children("left_child"),
        right=children("right_child"),
        column=np.append(array("split_feature")[:inner], padding.astype(np.int64)),
        threshold=np.append(threshold[:inner], padding),
        missing_left=np.append(default, padding.astype(bool)),
        values=np.append(padding[:inner], array("leaf_value", float))[:, None],
        sets=sets,
    )


def _catboost(estimator: Any) -> Ensemble:
    kind = type(estimator).__name__
    with tempfile.TemporaryDirectory() as folder:
        estimator.save_model(f"{folder}/model.json", format="json")
        model = json.loads(Path(folder, "model.json").read_text(encoding="utf-8"))
    link = _link(_CATBOOST_LINKS, model["model_info"]["params"]["loss_function"]["type"], estimator)
    if "oblivious_trees" not in model:
        raise NotCompilableError(f"{kind} has trees that are not symmetric (grow_policy=…)")
    scale, bias = estimator.get_scale_and_bias()
    base = np.atleast_1d(np.asarray(bias, dtype=np.float64))
    columns = {each["feature_index"]: each for each in model["features_info"].get("float_features", ())}
    # JSON rounds the values of leaves.
    values = np.asarray(estimator.get_leaf_values()).reshape(-1, len(base)) * scale
    return Ensemble(
        [(tree, None) for tree in _catboost_trees(model["oblivious_trees"], columns, values, kind)], base, narrow=True, link=link
    )  # fmt: skip


def _catboost_trees(trees: Any, columns: Mapping[int, Any], values: Any, kind: str) -> Iterator[Tree]:
    """Yield symmetric trees: all nodes of a level have the same test, the root the last of the list."""
    first = 0
    for tree in trees:
        splits = list(reversed(tree.get("splits") or ()))
        if any(split["split_type"] != "FloatFeature" for split in splits):
            raise NotCompilableError(f"{kind} splits on categories, words or embeddings")
        inner, leaves = (1 << len(splits)) - 1, 1 << len(splits)
        levels = np.repeat(np.arange(len(splits)), 1 << np.arange(len(splits)))
        features = [columns[split["float_feature_index"]] for split in splits]
        nodes, padding = np.arange(inner), np.full(leaves, -1)
        yield Tree(
            left=np.append(2 * nodes + 1, padding),
            right=np.append(2 * nodes + 2, padding),
            column=np.append(np.array([each["flat_feature_index"] for each in features], dtype=np.int64)[levels], padding),
            threshold=np.append(np.array([split["border"] for split in splits], dtype=np.float64)[levels], np.zeros(leaves)),
            missing_left=np.append(np.array([each["nan_value_treatment"] != "AsTrue" for each in features], dtype=bool)[levels], padding < 0),
            values=np.append(np.zeros((inner, values.shape[1])), values[first : first + leaves], axis=0),
        )  # fmt: skip
        first += leaves
