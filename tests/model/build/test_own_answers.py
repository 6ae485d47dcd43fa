"""A package answers what the estimator's own `predict` and `predict_proba` answer for the training frame's types."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from random_pipelines import compare, make_case, odd_rows, package
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from nbship.acceptance import prove
from nbship.errors import InvalidInputError, SignatureError
from nbship.model import Provenance, Signature, build_package
from nbship.model.backends import BOUND
from nbship.predictor import PackagePredictor, load

pytestmark = pytest.mark.filterwarnings("ignore")
RANDOM = np.random.default_rng(0)
ROWS = 1200
FRAME = pd.DataFrame({"a": RANDOM.normal(size=ROWS), "b": RANDOM.integers(0, 50, ROWS)})
LATE = ((FRAME.a + RANDOM.normal(size=ROWS)) > 0.8).astype(int)
LABELS = np.column_stack([FRAME.a > 0, FRAME.b > 25, FRAME.a + FRAME.b / 10 > 3]).astype(int)
TOWN = pd.Series(RANDOM.choice(["x", "y", "z"], ROWS))


def built(folder: Path, estimator: Any, frame: pd.DataFrame, **stated: Any) -> PackagePredictor:
    build_package(
        folder / "package", name="own", estimator=estimator, signature=Signature.infer(frame, **stated), golden=frame.head(600),
        reference=frame, provenance=Provenance(),
    )  # fmt: skip
    assert len(list(prove(folder / "package"))) == 6
    return load(folder / "package")


@pytest.mark.parametrize(
    "estimator",
    [
        OneVsRestClassifier(LogisticRegression()),
        RidgeClassifierCV(),
        ClassifierChain(LogisticRegression()),
        KNeighborsClassifier(),
        DecisionTreeClassifier(max_depth=5),
    ],
    ids=lambda each: type(each).__name__,
)
def test_each_label_of_several_is_an_output(estimator: Any, tmp_path: Path) -> None:
    model = built(tmp_path, estimator.fit(FRAME, LABELS), FRAME)
    answers = model.predict(FRAME).columns()
    for index, name in enumerate(["label", "label.label_1", "label.label_2"]):
        assert (answers[name] == np.asarray(estimator.predict(FRAME))[:, index]).all()


@pytest.mark.parametrize(
    ("estimator", "backend"),
    [
        (FixedThresholdClassifier(LogisticRegression(), threshold=0.2), "tables"),
        (FixedThresholdClassifier(make_pipeline(StandardScaler(), LogisticRegression()), threshold=0.2, pos_label=0), "tables"),
        (make_pipeline(StandardScaler(), FixedThresholdClassifier(DecisionTreeClassifier(max_depth=3), threshold=0.7)), "tables"),
        (TunedThresholdClassifierCV(LogisticRegression(), cv=3), "tables"),
        (FixedThresholdClassifier(LogisticRegression(), threshold=0.3, response_method="decision_function"), "sklearn"),
        (GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=3, scoring="roc_auc"), "tables"),
    ],
    ids=["fixed", "fixed pipeline", "last step", "tuned", "decision function", "search"],
)  # fmt: skip
def test_the_label_is_that_of_predict(estimator: Any, backend: str, tmp_path: Path) -> None:
    model = built(tmp_path, estimator.fit(FRAME, LATE), FRAME)
    answers = model.predict(FRAME)
    assert model.backend == backend
    assert (answers.label == estimator.predict(FRAME)).all()
    positive = getattr(estimator, "pos_label", None)
    column = 1 if positive is None else list(estimator.classes_).index(positive)
    np.testing.assert_allclose(answers.probability, estimator.predict_proba(FRAME)[:, column], rtol=0, atol=1e-12)


SPELLINGS = {
    "str": lambda town: town.astype("str").where(town != "x"),
    "object, NaN": lambda town: town.astype(object).where(town != "x", np.nan),
    "object, None": lambda town: town.astype(object).where(town != "x", None),
    "category": lambda town: town.astype("category").where(town != "x"),
    "integer category": lambda town: town.map({"x": None, "y": 7, "z": 3}).astype("category"),
    "Int64": lambda town: town.map({"x": None, "y": 7, "z": 3}).astype("Int64"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("imputed", [True, False])
def test_null_is_spelled_as_in_training(spelling: str, imputed: bool, tmp_path: Path) -> None:
    """SimpleImputer and OneHotEncoder on a column of `read_csv`, where a client writes null."""
    frame = FRAME.assign(town=SPELLINGS[spelling](TOWN))
    null = None if spelling == "object, None" else np.nan
    steps = [SimpleImputer(strategy="most_frequent", missing_values=null)] if imputed else []
    encoded = make_column_transformer(
        (make_pipeline(*steps, OneHotEncoder(handle_unknown="ignore")), ["town"]), remainder="passthrough"
    )
    estimator = make_pipeline(encoded, LogisticRegression()).fit(frame, LATE)
    model = built(tmp_path, estimator, frame)
    expected = estimator.predict_proba(frame)[:, 1]
    bound = BOUND[model.backend]
    np.testing.assert_allclose(model.predict(frame).probability, expected, rtol=0, atol=bound)
    for row in range(0, 60):
        town = frame.town.iloc[row]
        sent = None if pd.isna(town) else town if isinstance(town, str) else int(town)
        answer = model.predict({"a": float(frame.a[row]), "b": int(frame.b[row]), "town": sent})
        assert abs(answer.probability[0] - expected[row]) <= bound


NUMBERS = ["float32", "float16", "Float32", "Float64", "Int64", "int8", "UInt8", "double[pyarrow]", "Sparse[float64]"]


@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers_have_the_type_of_training(dtype: str, tmp_path: Path) -> None:
    frame = FRAME.assign(c=(FRAME.b / 3).round(0 if "nt" in dtype else 5).astype(dtype))
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame.astype({"c": dtype}), LATE)
    model = built(tmp_path, estimator, frame)
    rows = frame.head(200)
    np.testing.assert_allclose(
        model.predict(rows).probability, estimator.predict_proba(rows)[:, 1], rtol=0, atol=BOUND[model.backend]
    )
    record = {"a": 0.5, "b": 3, "c": 1 if "nt" in dtype else 0.1}
    one = pd.DataFrame([record]).astype({"c": dtype})
    expected = estimator.predict_proba(one)[0, 1]
    assert abs(model.predict([record]).probability[0] - expected) <= BOUND[model.backend]


def test_a_number_that_the_training_type_cannot_hold_is_rejected(tmp_path: Path) -> None:
    frame = FRAME.astype({"a": "float32", "b": "int8"})
    model = built(tmp_path, LogisticRegression().fit(frame, LATE), frame)
    for record, name in (({"a": 1e39, "b": 1}, "a"), ({"a": 1.0, "b": 128}, "b")):
        with pytest.raises(InvalidInputError, match=f"{name}"):
            model.predict([record])


@pytest.mark.parametrize("column", ["Int64", "float64"])
def test_null_is_an_input_only_if_training_had_it(column: str, tmp_path: Path) -> None:
    frame = FRAME.astype({"b": column})
    estimator = LogisticRegression().fit(frame, LATE)
    model = built(tmp_path, estimator, frame)
    with pytest.raises(InvalidInputError, match="null"):
        model.predict([{"a": 1.0, "b": None}])
    with pytest.raises(SignatureError, match="Field 'b' may be null, but the model fails for null"):
        built(tmp_path, estimator, frame, fields={"b": {"nullable": True}})


def test_a_text_that_the_encoder_rejects_is_said_when_the_package_is_built(tmp_path: Path) -> None:
    frame = FRAME.assign(town=[f"town {number % 150}" for number in range(ROWS)])
    encoded = make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough")
    estimator = make_pipeline(encoded, LogisticRegression()).fit(frame, LATE)
    with pytest.raises(SignatureError, match="Field 'town' takes any string, but the model fails"):
        built(tmp_path, estimator, frame)
    model = built(tmp_path, estimator, frame, fields={"town": {"dtype": "category"}})
    with pytest.raises(InvalidInputError, match="'elsewhere', which is not a known category"):
        model.predict([{"a": 1.0, "b": 2, "town": "elsewhere"}])


def test_numbers_that_the_estimator_rejects_are_rejected(tmp_path: Path) -> None:
    """Trees round numbers to float32, so that 1e300 is infinite, which scikit-learn rejects."""
    estimator = DecisionTreeClassifier(max_depth=3).fit(FRAME, LATE)
    with pytest.raises(ValueError, match="too large for dtype"):
        estimator.predict(pd.DataFrame({"a": [1e300], "b": [1]}))
    model = built(tmp_path, estimator, FRAME)
    for rows in ([{"a": 1e300, "b": 1}], pd.DataFrame({"a": [1e300], "b": [1]})):
        with pytest.raises(InvalidInputError, match="above the maximum"):
            model.predict(rows)
    assert model.predict([{"a": 1e38, "b": 1}]).label[0] == estimator.predict(pd.DataFrame({"a": [1e38], "b": [1]}))[0]


def test_each_end_of_a_field_has_its_own_limit(tmp_path: Path) -> None:
    """The logarithm fails below -1, beyond the field's minimum, which is no reason for a maximum."""
    frame = FRAME.assign(a=FRAME.a.abs())
    logarithm = make_column_transformer((FunctionTransformer(np.log1p, feature_names_out="one-to-one"), ["a"]))
    estimator = DecisionTreeClassifier(max_depth=3).fit(frame, LATE)
    for limits, most in (
        ({"minimum": 0.0}, np.finfo(np.float32).max),
        ({"minimum": 0.0, "maximum": 1e300}, np.finfo(np.float32).max),
        ({"minimum": 0.0, "maximum": 9.0}, 9.0),
    ):
        field = built(tmp_path, estimator, frame, fields={"a": limits}).signature["a"]
        assert (field.minimum, field.maximum) == (0.0, most)
    estimator = make_pipeline(logarithm, LogisticRegression()).fit(frame, LATE)
    field = built(tmp_path, estimator, frame, fields={"a": {"minimum": 0.0}}).signature["a"]
    assert (field.minimum, field.maximum) == (0.0, None)


def test_a_score_that_is_not_finite_is_an_error(tmp_path: Path) -> None:
    from sklearn.linear_model import PoissonRegressor

    model = built(tmp_path, PoissonRegressor().fit(FRAME, LATE), FRAME)
    for rows in ([{"a": 1e6, "b": 1}], [{"a": 0.0, "b": 1}, {"a": 1e6, "b": 1}]):
        with pytest.raises(InvalidInputError, match="gets no answer: the model's score is not a finite number"):
            model.predict(rows)


FRAMES = {
    "integers as names": (FRAME.set_axis([0, 1], axis=1), {"0": 1.0, "1": 2}),
    "two levels of names": (FRAME.set_axis(pd.MultiIndex.from_tuples([("x", "a"), ("x", "b")]), axis=1), {"x_a": 1.0, "x_b": 2}),
    "another order": (FRAME[["b", "a"]], {"a": 1.0, "b": 2}),
    "NA": (FRAME.astype({"b": "Int64"}), {"a": 1.0, "b": 2}),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_frames_of_other_shapes_are_packaged(name: str, tmp_path: Path) -> None:
    frame, record = FRAMES[name]
    estimator = LogisticRegression().fit(frame, LATE)
    build_package(
        tmp_path / "p", name="own", estimator=estimator, signature=Signature.infer(FRAME if name == "another order" else frame),
        golden=frame.head(600), reference=frame, provenance=Provenance(),
    )  # fmt: skip
    model = load(tmp_path / "p")
    assert (model.predict(frame).label == estimator.predict(frame)).all()
    assert len(model.predict(record)) == 1


def test_a_doubled_column_is_named() -> None:
    with pytest.raises(SignatureError, match="has the column 'a' twice"):
        Signature.infer(pd.concat([FRAME, FRAME[["a"]]], axis=1))


@pytest.mark.parametrize("imputer", [KNNImputer(), IterativeImputer(random_state=0)], ids=["neighbors", "iterative"])
def test_imputers_that_look_at_other_columns_are_packaged(imputer: Any, tmp_path: Path) -> None:
    frame = FRAME.astype(float).mask(RANDOM.random(FRAME.shape) < 0.1)
    estimator = make_pipeline(imputer, LogisticRegression()).fit(frame, LATE)
    model = built(tmp_path, estimator, frame)
    np.testing.assert_allclose(
        model.predict(frame).probability, estimator.predict_proba(frame)[:, 1], rtol=0, atol=1e-6
    )


def test_a_column_selector_is_packaged(tmp_path: Path) -> None:
    frame = FRAME.assign(town=TOWN)
    encoded = make_column_transformer(
        (OneHotEncoder(), make_column_selector(dtype_exclude="number")), remainder="passthrough"
    )
    estimator = make_pipeline(encoded, LogisticRegression()).fit(frame, LATE)
    assert (built(tmp_path, estimator, frame).predict(frame).label == estimator.predict(frame)).all()


def test_times_without_a_zone_are_packaged(tmp_path: Path) -> None:
    frame = FRAME.assign(when=pd.Timestamp("2024-01-01") + pd.to_timedelta(FRAME.b, unit="h"))
    estimator = make_pipeline(make_column_transformer(("passthrough", ["a"])), LogisticRegression()).fit(frame, LATE)
    model = built(tmp_path, estimator, frame, fields={"when": {"timezone": "Europe/Berlin"}})
    assert (model.predict(frame).label == estimator.predict(frame)).all()


@pytest.mark.parametrize("estimator", [SVC(kernel="poly"), SVC()], ids=["poly", "rbf"])
def test_far_rows_have_the_estimators_label(estimator: Any, tmp_path: Path) -> None:
    model = built(tmp_path, estimator.fit(FRAME, LATE), FRAME)
    far = pd.DataFrame({"a": RANDOM.normal(size=1000) * 1e4, "b": RANDOM.integers(-(10**6), 10**6, 1000)})
    assert (model.predict(far).label == estimator.predict(far)).all()


@pytest.mark.parametrize("seed", [3, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3))])
def test_generated_pipelines_answer_as_the_estimator_does(seed: int, tmp_path: Path) -> None:
    """Some of those that `tests/faults/test_generated_pipelines.py` makes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case = make_case(seed)
    if case is None:
        return
    model = package(case, tmp_path / "p")
    if not isinstance(model, str):
        assert compare(case, model, odd_rows(case, seed))["answered"]


@pytest.mark.parametrize(
    ("columns", "named", "message"),
    [
        (["a", "d"], True, "fitted with the column 'd', which the signature does not have"),
        ([0, 3], True, "fitted with the column 'd', which the signature does not have"),
        ([0, 3], False, "fitted with 4 columns, and the signature has 3 fields"),
    ],
)
def test_a_column_that_the_signature_lacks_is_named(
    columns: list[Any], named: bool, message: str, tmp_path: Path
) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(600, 4)), columns=list("abcd"))
    scaled = make_pipeline(ColumnTransformer([("scaled", StandardScaler(), columns)]), LogisticRegression())
    scaled.fit(frame if named else frame.to_numpy(), frame["a"] > 0)
    with pytest.raises(SignatureError, match=message):
        built(tmp_path, scaled, frame[["a", "b", "c"]])


@pytest.mark.parametrize("columns", [["a", "b"], [0, 1]], ids=["by name", "by position"])
def test_a_column_that_is_dropped_need_not_be_in_the_signature(columns: list[Any], tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(600, 4)), columns=list("abcd"))
    scaled = make_pipeline(ColumnTransformer([("scaled", StandardScaler(), columns)]), LogisticRegression())
    scaled.fit(frame, frame["a"] > 0)
    model = built(tmp_path, scaled, frame[["a", "b", "c"]])
    assert (model.predict(frame[["a", "b", "c"]]).label == scaled.predict(frame)).all()
