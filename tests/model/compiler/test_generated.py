"""Packages of generated pipelines predict the outputs of scikit-learn for generated rows, with every backend."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from families import NUMBERS, make_rows, make_signature, make_target
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sklearn import ensemble, linear_model, naive_bayes, tree
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from nbship.errors import InvalidInputError
from nbship.model import Provenance, build_package
from nbship.model.backends import BOUND
from nbship.model.signature.validation import read_rows
from nbship.predictor import PackagePredictor, load

ROWS = make_rows(600)
pytestmark = pytest.mark.filterwarnings("ignore")

SCALERS = [StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, lambda: "passthrough", lambda: FunctionTransformer(), lambda: QuantileTransformer(n_quantiles=20)]  # fmt: skip
NEED_VALUES = ["logistic", "bayes", "gradient", "ridge", "poisson"]


@st.composite
def pipelines(draw: st.DrawFn) -> tuple[Any, str]:
    """Return an unfitted pipeline and the kind of its target."""
    kind = draw(st.sampled_from(["logistic", "bayes", "gradient", "histogram", "forest", "tree", "ridge", "poisson", "histogram value", "trees value"]))  # fmt: skip
    impute = kind in NEED_VALUES or draw(st.booleans())
    parts: list[tuple[str, Any, list[str]]] = []
    for name in draw(st.lists(st.sampled_from([*NUMBERS, "doors"]), unique=True, min_size=1)):
        steps: list[Any] = []
        if impute:
            strategy = draw(st.sampled_from(["mean", "median", "most_frequent", "constant"]))
            steps.append(SimpleImputer(strategy=strategy, add_indicator=draw(st.booleans())))
        steps.append(draw(st.sampled_from(SCALERS))())
        if name == "doors" and not steps[:-1] and draw(st.booleans()):
            steps = [KBinsDiscretizer(draw(st.integers(2, 4)), encode="onehot-dense", strategy="uniform")]
        parts.append((name, make_pipeline(*steps), [name]))
    texts = draw(st.lists(st.sampled_from(["colour", "town"]), unique=True))
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=draw(st.booleans()), min_frequency=draw(st.sampled_from([None, 0.06])))  # fmt: skip
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    if texts:
        parts.append(("texts", draw(st.sampled_from([one_hot, ordinal])), texts))
    columns = ColumnTransformer(parts, remainder="drop", sparse_threshold=0.0)
    depth, classes = draw(st.integers(2, 6)), draw(st.sampled_from(["binary", "multiclass"]))
    models = {
        "logistic": (linear_model.LogisticRegression(C=draw(st.sampled_from([0.01, 1.0])), max_iter=50), classes),
        "bayes": (naive_bayes.GaussianNB(), classes),
        "gradient": (ensemble.GradientBoostingClassifier(n_estimators=4, max_depth=depth), classes),
        "histogram": (
            ensemble.HistGradientBoostingClassifier(
                max_iter=5, max_leaf_nodes=2**depth, max_bins=draw(st.integers(8, 255))
            ),
            classes,
        ),
        "forest": (ensemble.RandomForestClassifier(4, max_depth=depth * 2, random_state=0), classes),
        "tree": (tree.DecisionTreeClassifier(max_depth=depth), classes),
        "ridge": (linear_model.Ridge(), "value"),
        "poisson": (linear_model.PoissonRegressor(max_iter=50), "positive"),
        "histogram value": (ensemble.HistGradientBoostingRegressor(max_iter=5), "value"),
        "trees value": (ensemble.ExtraTreesRegressor(4, max_depth=depth * 2, random_state=0), "value"),
    }
    estimator, target = models[kind]
    return make_pipeline(columns, estimator), target


numbers = st.one_of(
    st.none(), st.floats(-1e6, 1e6), st.sampled_from([0.0, -0.0, 2.0**24 + 1, 1e-300, *ROWS["price"].dropna().head(40)])
)
records = st.fixed_dictionaries(
    {
        **dict.fromkeys(NUMBERS, numbers),
        "doors": st.integers(-3, 2**30),
        "new": st.booleans(),
        "colour": st.sampled_from(["blue", "green", "red"]),
        "town": st.one_of(st.none(), st.just(""), st.just("town 3"), st.text(max_size=5)),
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tmp_path_factory.mktemp("generated")


def packaged(estimator: Any, folder: Any) -> PackagePredictor:
    build_package(
        folder / "p", name="generated", estimator=estimator, signature=make_signature(), golden=ROWS.head(500), reference=ROWS, provenance=Provenance(),
    )  # fmt: skip
    return load(folder / "p")


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=pipelines(), sent=st.lists(records, min_size=1, max_size=12))
def test_generated_pipelines_predict_the_outputs_of_scikit_learn(
    made: tuple[Any, str], sent: list[dict], folder: Any
) -> None:
    estimator, target = made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(ROWS, make_target(ROWS, target))
        model = packaged(estimator, folder)
        event(f"{estimator[-1].__class__.__name__} by {model.backend}")
        frame = frame_of(sent)
        try:
            expected = estimator.predict_proba(frame) if hasattr(estimator, "predict_proba") else estimator.predict(frame)  # fmt: skip
        except ValueError:
            expected = np.full(1, np.nan)
        if not np.isfinite(expected).all():
            with pytest.raises(InvalidInputError):
                model.predict(sent)
            return
        answers = model.predict(sent)
    bound = BOUND[model.backend]
    if answers.probability is None:
        assert answers.value is not None
        np.testing.assert_allclose(answers.value, expected, rtol=bound, atol=bound)
    else:
        place = [1] * len(sent) if expected.shape[1] == 2 else expected.argmax(axis=1)
        np.testing.assert_allclose(answers.probability, expected[np.arange(len(sent)), place], rtol=0, atol=bound)
        sure = np.sort(expected, axis=1)[:, -1] - np.sort(expected, axis=1)[:, -2] > bound
        assert (answers.label == estimator.classes_[expected.argmax(axis=1)])[sure].all()
    for place, record in enumerate(sent):
        one = model.predict([record]).to_frame()
        pd.testing.assert_frame_equal(one, answers.to_frame().iloc[[place]].reset_index(drop=True))


def frame_of(sent: list[dict[str, Any]]) -> pd.DataFrame:
    """Return records as a frame for the estimator."""
    frame = pd.DataFrame(sent)
    texts = {name: frame[name].astype(object).where(frame[name].notna(), None) for name in ("colour", "town")}
    return frame.astype(dict.fromkeys(NUMBERS, float)).assign(**texts)[list(ROWS.columns)]


values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just([]), st.just({}))


@settings(max_examples=100, deadline=None)
@given(sent=st.lists(st.dictionaries(st.sampled_from([*ROWS.columns, "else"]), values), min_size=1, max_size=4))
def test_generated_records_are_rejected_or_typed(sent: list[dict[str, Any]]) -> None:
    """Every invalid field of every row is named; valid columns have the types of the signature."""
    signature = make_signature()
    try:
        rows = read_rows(signature, sent)
    except InvalidInputError as error:
        failed = {(failure.row, failure.field) for failure in error.failures}
        for row, record in enumerate(sent):
            missing = {field.name for field in signature.inputs} - record.keys()
            assert {(row, name) for name in missing} <= failed
            assert not ("else" in record and (row, "else") not in failed)
        assert {row for row, _ in failed} <= set(range(len(sent)))
    else:
        assert {name: len(column) for name, column in rows.columns.items()} == dict.fromkeys(signature.names, len(sent))
