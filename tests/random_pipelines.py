"""Random pipelines over random tables, and rows at the values where a package could answer something else.

A package is compared with the estimator's own `predict` and `predict_proba`, asked with the training frame's types.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from sklearn import (
    decomposition,
    discriminant_analysis,
    dummy,
    ensemble,
    kernel_approximation,
    linear_model,
    model_selection,
    multiclass,
    multioutput,
    naive_bayes,
    neighbors,
    neural_network,
    svm,
    tree,
)
from sklearn import (
    preprocessing as prep,
)
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.pipeline import make_pipeline

from nbship.errors import InvalidInputError, NbshipError
from nbship.model import Provenance, Signature, build_package
from nbship.predictor import PackagePredictor, load

TEXTS = ["blue", "green", "red", "", " red", "É", "1", "nan", "None", "?"]


@dataclass
class Case:
    """A fitted estimator, its training frame, and the attributes of fields that cannot be inferred."""

    estimator: Any
    frame: pd.DataFrame
    fields: dict[str, dict[str, Any]]
    target: str


def make_column(random: np.random.Generator, rows: int) -> tuple[str, Any]:
    """Return a kind ("number", "text", "flag" or "time") and a column of a random dtype."""
    holes = random.random(rows) < random.choice([0.0, 0.1])
    numbers = random.normal(0, 10.0 ** random.integers(-2, 4), rows)
    counts = random.integers(0, 60, rows)
    texts = np.array(TEXTS, dtype=object)[random.integers(0, random.integers(2, len(TEXTS)), rows)]
    flags = random.random(rows) < 0.4
    float_holes = np.where(holes, np.nan, numbers)

    def objects(values: Any, null: Any) -> pd.Series:
        column = np.empty(rows, dtype=object)
        column[:] = list(values)
        column[holes] = null
        return pd.Series(column, dtype=object)

    choices: dict[str, tuple[str, Any]] = {
        "float64": ("number", lambda: pd.Series(float_holes)),
        "float32": ("number", lambda: pd.Series(float_holes.astype(np.float32))),
        "Float64": ("number", lambda: pd.Series(pd.array(float_holes, dtype="Float64"))),
        "Float32": ("number", lambda: pd.Series(pd.array(float_holes, dtype="Float32"))),
        "double[pyarrow]": ("number", lambda: pd.Series(pd.array(float_holes, dtype="double[pyarrow]"))),
        "Sparse float": ("number", lambda: pd.Series(pd.arrays.SparseArray(np.where(holes, 0.0, numbers), fill_value=0.0))),
        "int64": ("number", lambda: pd.Series(counts)),
        "int8": ("number", lambda: pd.Series(counts.astype(np.int8))),
        "uint16": ("number", lambda: pd.Series(counts.astype(np.uint16))),
        "Int64": ("number", lambda: pd.Series(pd.array(np.where(holes, np.nan, counts), dtype="Int64"))),
        "UInt8": ("number", lambda: pd.Series(pd.array(np.where(holes, np.nan, counts), dtype="UInt8"))),
        "int category": ("number", lambda: pd.Series(pd.Categorical(np.where(holes, np.nan, counts % 5)).rename_categories(int))),
        "Sparse int": ("number", lambda: pd.Series(pd.arrays.SparseArray(np.where(holes, 0, counts)))),
        "bool": ("flag", lambda: pd.Series(flags)),
        "boolean": ("flag", lambda: pd.Series(pd.array(np.where(holes, np.nan, flags), dtype="boolean"))),
        "object flags": ("flag", lambda: objects(flags.tolist(), np.nan)),
        "str": ("text", lambda: pd.Series(objects(texts, None)).astype("str").where(~holes)),
        "object, None": ("text", lambda: objects(texts, None)),
        "object, NaN": ("text", lambda: objects(texts, np.nan)),
        "object, NA": ("text", lambda: objects(texts, pd.NA)),
        "string": ("text", lambda: pd.Series(pd.array(objects(texts, None), dtype="string"))),
        "category": ("text", lambda: pd.Series(pd.Categorical(objects(texts, None)))),
        "ordered": ("text", lambda: pd.Series(pd.Categorical(objects(texts, None), ordered=True))),
        "many texts": ("text", lambda: objects([f"t{number}" for number in random.integers(0, 120, rows)], None)),
        "naive time": ("time", lambda: pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(counts, unit="h"))),
        "zoned time": ("time", lambda: pd.Series(pd.Timestamp("2024-01-01", tz="Europe/Berlin") + pd.to_timedelta(counts, unit="h"))),
    }  # fmt: skip
    kind, make = choices[random.choice(list(choices))]
    return kind, make()


def make_case(seed: int) -> Case | None:
    """Return a case; None where scikit-learn itself cannot fit it."""
    random = np.random.default_rng(seed)
    rows = int(random.integers(150, 300))
    made = [make_column(random, rows) for _ in range(random.integers(2, 6))]
    frame = pd.DataFrame({f"{kind}_{index}": column for index, (kind, column) in enumerate(made)})
    fields: dict[str, dict[str, Any]] = {
        name: {"timezone": "America/New_York"} for name in frame if str(frame[name].dtype).startswith("datetime64[us]")
    }
    drive = sum(
        (pd.to_numeric(frame[name], errors="coerce").astype(float).fillna(0).rank(pct=True) for name in frame if not name.startswith(("text", "time"))),
        start=pd.Series(random.normal(0, 0.5, rows)),
    )  # fmt: skip
    for name in frame:
        if name.startswith("text"):
            drive = drive + frame[name].astype(object).isin(["red", "1", "t3"]).astype(float)
    score = drive.to_numpy(dtype=float)
    target = str(random.choice(["binary", "text classes", "three", "value", "labels", "flag"]))
    third = np.digitize(score, np.quantile(score, [0.4, 0.7]))
    y: Any = {
        "binary": (score > np.median(score)).astype(int), "flag": score > np.median(score),
        "text classes": np.array(["no", "yes"], dtype=object)[(score > np.median(score)).astype(int)],
        "three": third, "value": score * 10, "labels": np.column_stack([third == 0, score > np.median(score)]).astype(int),
    }[target]  # fmt: skip
    model = make_pipeline(*make_features(random, frame), make_model(random, target))
    if target in ("binary", "flag", "text classes") and random.random() < 0.15:
        model = model_selection.FixedThresholdClassifier(model, threshold=float(random.choice([0.2, 0.5, 0.8])))
    elif random.random() < 0.05:
        model = model_selection.GridSearchCV(model, {}, cv=2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(frame, y)
            model.predict(frame)
    except (ValueError, TypeError, AttributeError):
        return None
    return Case(model, frame, fields, target)


def make_features(random: np.random.Generator, frame: pd.DataFrame) -> list[Any]:
    """Return the steps before the model: a ColumnTransformer with a pipeline for each column, then often a transformer of all."""
    parts = []
    for name in frame:
        steps: list[Any] = []
        if name.startswith(("number", "flag")):
            if frame[name].isna().any() and random.random() < 0.8:
                steps.append(random.choice([
                    SimpleImputer(strategy="median"), SimpleImputer(add_indicator=True), KNNImputer(),
                    SimpleImputer(strategy="most_frequent"), SimpleImputer(strategy="constant", fill_value=-1),
                ]))  # fmt: skip
            scaled = [prep.StandardScaler(), prep.RobustScaler(), prep.MinMaxScaler(), prep.MinMaxScaler(clip=True), prep.QuantileTransformer(n_quantiles=20), prep.PowerTransformer(), prep.KBinsDiscretizer(3, encode="onehot-dense"), prep.PolynomialFeatures(2), prep.SplineTransformer(3)]  # fmt: skip
            steps += [random.choice(scaled)] if random.random() < 0.6 else []
            steps = steps or ["passthrough"]
        elif name.startswith("text"):
            if random.random() < 0.5:
                steps.append(random.choice([SimpleImputer(strategy="most_frequent"), SimpleImputer(strategy="constant", fill_value="none")]))  # fmt: skip
            steps.append(random.choice([
                prep.OneHotEncoder(handle_unknown="ignore"), prep.OneHotEncoder(), prep.OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=0.1, sparse_output=False),
                prep.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2), prep.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
            ]))  # fmt: skip
        if steps:
            parts.append((name, make_pipeline(*steps), [name]))
    mixed = [decomposition.PCA(2), decomposition.TruncatedSVD(2), prep.Normalizer(), prep.PolynomialFeatures(2), kernel_approximation.RBFSampler(n_components=20, random_state=0), prep.StandardScaler(with_mean=False)]  # fmt: skip
    return [
        ColumnTransformer(parts, sparse_threshold=float(random.choice([0.0, 0.3]))),
        *([random.choice(mixed)] if random.random() < 0.25 else []),
    ]


def make_model(random: np.random.Generator, target: str) -> Any:
    """Return an unfitted model for a target."""
    boost = {"max_iter": 5, "random_state": 0}
    if target == "value":
        options: list[Any] = [
            linear_model.LinearRegression(), linear_model.Ridge(), linear_model.HuberRegressor(), linear_model.TweedieRegressor(power=0),
            ensemble.RandomForestRegressor(5, random_state=0, n_jobs=2), ensemble.HistGradientBoostingRegressor(**boost),
            ensemble.GradientBoostingRegressor(n_estimators=5), ensemble.AdaBoostRegressor(n_estimators=4, random_state=0), ensemble.BaggingRegressor(n_estimators=3, random_state=0),
            svm.SVR(), neighbors.KNeighborsRegressor(), tree.DecisionTreeRegressor(), neural_network.MLPRegressor(hidden_layer_sizes=(4,), max_iter=20, random_state=0),
            TransformedTargetRegressor(linear_model.Ridge(), transformer=prep.StandardScaler()), dummy.DummyRegressor(),
            ensemble.GradientBoostingRegressor(n_estimators=5, init=linear_model.Ridge()), linear_model.TweedieRegressor(power=0, link="log"),
            neural_network.MLPRegressor(hidden_layer_sizes=(4, 3), activation="tanh", max_iter=20, random_state=0), linear_model.QuantileRegressor(),
            ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", tree.DecisionTreeRegressor(max_depth=3))]),
            *boosters("Regressor"),
        ]  # fmt: skip
        return options[random.integers(len(options))]
    logistic = linear_model.LogisticRegression(max_iter=200)
    if target == "labels":
        options = [
            multiclass.OneVsRestClassifier(logistic), multioutput.MultiOutputClassifier(logistic), multioutput.ClassifierChain(logistic, random_state=0),
            ensemble.RandomForestClassifier(5, random_state=0), tree.DecisionTreeClassifier(max_depth=4), neighbors.KNeighborsClassifier(),
            linear_model.RidgeClassifierCV(), neural_network.MLPClassifier((4,), max_iter=20, random_state=0), ensemble.ExtraTreesClassifier(4, random_state=0),
        ]  # fmt: skip
        return options[random.integers(len(options))]
    options = [
        logistic, linear_model.RidgeClassifier(), linear_model.SGDClassifier(random_state=0), linear_model.SGDClassifier(loss="log_loss", random_state=0), linear_model.Perceptron(),
        svm.SVC(kernel=str(random.choice(["rbf", "poly"]))), svm.LinearSVC(), naive_bayes.GaussianNB(), discriminant_analysis.LinearDiscriminantAnalysis(),
        neighbors.KNeighborsClassifier(), neighbors.KNeighborsClassifier(weights="distance"), neural_network.MLPClassifier((4,), max_iter=20, random_state=0),
        tree.DecisionTreeClassifier(), tree.DecisionTreeClassifier(max_depth=2), ensemble.RandomForestClassifier(6, random_state=0, n_jobs=2), ensemble.ExtraTreesClassifier(4, random_state=0),
        ensemble.GradientBoostingClassifier(n_estimators=5), ensemble.HistGradientBoostingClassifier(**boost), ensemble.AdaBoostClassifier(n_estimators=4, random_state=0),
        ensemble.BaggingClassifier(n_estimators=3, random_state=0), ensemble.StackingClassifier([("a", logistic), ("b", tree.DecisionTreeClassifier(max_depth=3))], cv=2),
        ensemble.VotingClassifier([("a", logistic), ("b", tree.DecisionTreeClassifier(max_depth=3))], voting=str(random.choice(["soft", "hard"]))),
        CalibratedClassifierCV(logistic, cv=2), CalibratedClassifierCV(tree.DecisionTreeClassifier(max_depth=3), cv=2, method="isotonic"), dummy.DummyClassifier(strategy="prior"),
        multiclass.OneVsRestClassifier(logistic), multiclass.OneVsOneClassifier(logistic),
        ensemble.GradientBoostingClassifier(n_estimators=5, init=logistic), discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.1),
        naive_bayes.BernoulliNB(), neural_network.MLPClassifier((4, 3), activation="logistic", max_iter=20, random_state=0),
    ]  # fmt: skip
    # XGBoost takes classes from 0 on.
    options += [
        each for each in boosters("Classifier") if target == "binary" or not type(each).__name__.startswith("XGB")
    ]
    if target in ("binary", "flag"):
        options.append(model_selection.TunedThresholdClassifierCV(logistic, cv=2))
    return options[random.integers(len(options))]


def boosters(kind: str) -> list[Any]:
    """Return models of XGBoost, LightGBM and CatBoost; `kind` is "Classifier" or "Regressor"."""
    options = {"n_jobs": 1, "random_state": 0, "n_estimators": 5}
    return [
        getattr(xgboost, f"XGB{kind}")(**options), getattr(xgboost, f"XGB{kind}")(**options, max_depth=3, tree_method="exact"),
        getattr(lightgbm, f"LGBM{kind}")(**options, verbose=-1, min_child_samples=5), getattr(lightgbm, f"LGBM{kind}")(**options, verbose=-1, num_leaves=4),
        getattr(catboost, f"CatBoost{kind}")(iterations=5, depth=4, random_state=0, thread_count=1, verbose=0, allow_writing_files=False),
    ]  # fmt: skip


def package(case: Case, folder: Path) -> PackagePredictor | str:
    """Package a case; return the predictor, or the error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            build_package(
                folder, name="generated", estimator=case.estimator, signature=Signature.infer(case.frame, fields=case.fields),
                golden=case.frame.iloc[::2].reset_index(drop=True), reference=case.frame, provenance=Provenance(),
            )  # fmt: skip
    except NbshipError as error:
        return str(error)
    return load(folder)


def odd_rows(case: Case, seed: int, count: int = 120) -> pd.DataFrame:
    """Return training rows of which some values are null, unseen, far out, or beside a value of training or a threshold."""
    random = np.random.default_rng(seed)
    frame = case.frame.iloc[random.integers(0, len(case.frame), count)].reset_index(drop=True)
    cuts = thresholds(case.estimator)
    for name in frame:
        values = frame[name].astype(object).tolist()
        for row in np.flatnonzero(random.random(count) < 0.35).tolist():
            values[row] = _odd(random, case.frame[name], cuts)
        frame[name] = _like(case.frame[name], values)
    return frame


def thresholds(estimator: Any) -> list[float]:
    """Return the thresholds of all trees inside an estimator."""
    found: list[float] = []
    waiting, seen = [estimator], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, (list, tuple)) or (isinstance(each, np.ndarray) and each.dtype == object):
            waiting += list(each.ravel()) if isinstance(each, np.ndarray) else list(each)
        elif isinstance(each, (xgboost.XGBModel, lightgbm.LGBMModel)) and not each.__sklearn_is_fitted__():
            continue
        elif isinstance(each, xgboost.XGBModel):
            found += each.get_booster().trees_to_dataframe().Split.dropna().tolist()
        elif isinstance(each, lightgbm.LGBMModel):
            table = each.booster_.trees_to_dataframe()
            found += table.threshold[table.decision_type == "<="].astype(float).tolist()
        elif isinstance(each, catboost.CatBoost) and not each.is_fitted():
            continue
        elif isinstance(each, catboost.CatBoost):
            found += [border for borders in each.get_borders().values() for border in borders]
        elif type(each).__module__.startswith("sklearn."):
            if hasattr(each, "tree_"):
                found += each.tree_.threshold[each.tree_.feature >= 0].tolist()
            if hasattr(each, "nodes"):
                found += each.nodes["num_threshold"][each.nodes["is_leaf"] == 0].tolist()
            waiting += list(vars(each).values()) if hasattr(each, "__dict__") else []
    return found


def _odd(random: np.random.Generator, column: pd.Series, cuts: list[float]) -> Any:
    if random.random() < 0.2:
        return None
    known = column.dropna().tolist()
    value = known[random.integers(len(known))]
    if isinstance(value, (bool, np.bool_)):
        return not value
    if isinstance(value, str):
        return str(random.choice([*TEXTS, "never seen", "\x00", "\x00unseen"]))
    if not isinstance(value, (int, float, np.number)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(random.choice([value, 0, 127, 61, 3]))
    near = float(random.choice([value, *cuts])) if cuts and random.random() < 0.6 else float(value)
    return float(random.choice([np.nextafter(near, np.inf), np.nextafter(near, -np.inf), near, -near, 0.0, -0.0, near * 1e3, np.float64(np.float32(near))]))  # fmt: skip


def _like(column: pd.Series, values: list[Any]) -> pd.Series:
    """Return values as a column of the dtype of a training column, with its null."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        known = list(column.dtype.categories)
        more = sorted({value for value in values if not pd.isna(value) and value not in known})
        return pd.Series(pd.Categorical(values, categories=[*known, *more], ordered=column.dtype.ordered))
    if isinstance(column.dtype, pd.SparseDtype):
        plain = [column.dtype.fill_value if value is None else value for value in values]
        return pd.Series(pd.arrays.SparseArray(np.array(plain, dtype=column.dtype.subtype), fill_value=column.dtype.fill_value))  # fmt: skip
    if column.dtype == object:
        missing = column[column.isna()].tolist()
        null = missing[0] if missing else None
        made = np.empty(len(values), dtype=object)
        made[:] = [null if pd.isna(value) else value for value in values]
        return pd.Series(made, dtype=object)
    if column.dtype.kind in "iub" and isinstance(column.dtype, np.dtype):
        values = [column.iloc[0] if value is None else value for value in values]
    if str(column.dtype).lower().startswith("uint8"):
        values = [value if pd.isna(value) else abs(int(value)) % 256 for value in values]
    return (
        pd.Series(values).astype(column.dtype)
        if column.dtype.kind == "M"
        else pd.Series(pd.array(values, dtype=column.dtype))
    )


def compare(case: Case, model: PackagePredictor, rows: pd.DataFrame) -> dict[str, int]:
    """Compare a package with its estimator, row by row; return how many rows were answered, rejected and both.

    A row that the package answers must have the estimator's answer; one that the estimator rejects, or answers with a
    number that is not finite, must be rejected.
    """
    counts = {"answered": 0, "rejected": 0, "rejected by both": 0}
    bound = model.model.bound
    valid, asked = _answered(model, rows), ask_rows(case.estimator, rows)
    for row in range(len(rows)):
        one = rows.iloc[[row]].reset_index(drop=True)
        # Every tenth row is also asked for alone.
        expected = ask(case.estimator, one)[0] if row % 10 == 0 else asked[row]
        given = valid.get(row)
        if given is None:
            counts["rejected by both" if expected is None else "rejected"] += 1
            continue
        counts["answered"] += 1
        shown = one.to_dict("records")[0]
        assert expected is not None, f"the estimator rejects {shown}, the package answers {given}"
        for name, value in expected.items():
            if isinstance(value, float):
                assert abs(given[name] - value) <= bound * max(1, abs(value)), (name, given, expected, shown)
            else:
                assert given[name] == value, (name, given, expected, shown)
    return counts


def _answered(model: PackagePredictor, rows: pd.DataFrame) -> dict[int, dict[str, Any]]:
    """Return the outputs of the rows that a package answers, asked for together, and check that they are the same one by one."""
    left = rows
    while len(left):
        try:
            together = model.predict(left.reset_index(drop=True)).to_frame()
        except InvalidInputError as error:
            rejected = {failure.row for failure in error.failures}
            rejected.discard(None)
            left = left.drop(index=left.index[sorted(rejected)])
            continue
        found = dict(zip(left.index.tolist(), together.to_dict("records"), strict=True))
        for row in left.index[::10]:
            assert model.predict(left.loc[[row]].reset_index(drop=True)).to_frame().to_dict("records")[0] == found[row]
        return found
    return {}


def ask_rows(estimator: Any, rows: pd.DataFrame) -> list[dict[str, Any] | None]:
    """Return the estimator's answer for each row: for all of them together, or for halves if it rejects one of them."""
    found = ask(estimator, rows)
    if len(rows) == 1 or None not in found:
        return found
    middle = len(rows) // 2
    return [
        each
        for half in (rows.iloc[:middle], rows.iloc[middle:])
        for each in ask_rows(estimator, half.reset_index(drop=True))
    ]


def ask(estimator: Any, rows: pd.DataFrame) -> list[dict[str, Any] | None]:
    """Return the estimator's answer for each row, by the names of the package's outputs; None if it has none."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            predicted = estimator.predict(rows)
            likely = estimator.predict_proba(rows) if hasattr(estimator, "predict_proba") else None
    except (ValueError, TypeError, catboost.CatBoostError, lightgbm.basic.LightGBMError):
        return [None] * len(rows)
    labels = np.asarray(predicted.todense() if hasattr(predicted, "todense") else predicted).reshape(len(rows), -1)
    return [
        _outputs(
            estimator,
            labels[row].tolist(),
            [each[[row]] for each in likely] if isinstance(likely, list) else None if likely is None else likely[[row]],
        )
        for row in range(len(rows))
    ]


def _outputs(estimator: Any, labels: list[Any], likely: Any) -> dict[str, Any] | None:
    """Return the outputs of a row, given its labels and its probabilities; None if one is not finite."""
    classes = getattr(estimator, "classes_", None)
    if classes is None or len(classes) == 0:
        return {"value": float(labels[0])} if np.isfinite(labels[0]) else None
    found: dict[str, Any] = {
        "label": labels[0],
        **{f"label.label_{index}": each for index, each in enumerate(labels) if index},
    }
    if likely is None:
        return found
    for index, label in enumerate(labels):
        name = f"probability.probability_{index}" if index else "probability"
        if len(labels) > 1:
            found[name] = float(likely[index][0, 1] if isinstance(likely, list) else likely[0, index])
        elif likely.shape[1] == 2:
            found[name] = float(likely[0, 1])
        else:
            found[name] = float(likely[0, list(estimator.classes_).index(label)])
    return found if all(np.isfinite(value) for value in found.values() if isinstance(value, float)) else None
