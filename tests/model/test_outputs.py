"""Models with several targets, with a probability for each class, and models fitted on a matrix."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from families import fitted, make_rows, make_signature, make_target, preprocessing
from servers import running
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from nbship import acceptance, predictor
from nbship.cli.predict import command as predict
from nbship.cli.replay import command as replay
from nbship.errors import SignatureError
from nbship.inference import Logged
from nbship.model import Output, Provenance, Signature, build_package
from nbship.prediction_log import open_log
from nbship.serving import Service

ROWS = make_rows()


def package(folder: Path, estimator: Any, signature: Signature, rows: Any = ROWS) -> predictor.PackagePredictor:
    build_package(
        folder / "p", name="several", estimator=estimator, signature=signature, golden=rows[:600], reference=rows, provenance=Provenance(),
    )  # fmt: skip
    list(acceptance.prove(folder / "p"))
    return predictor.load(folder / "p")


@pytest.mark.parametrize("regression", [DecisionTreeRegressor(max_depth=5), MultiOutputRegressor(LinearRegression())])
def test_a_regression_with_several_targets(regression: Any, tmp_path: Path) -> None:
    targets = np.column_stack([make_target(ROWS, "value"), make_target(ROWS, "positive")])
    estimator = make_pipeline(preprocessing(), regression).fit(ROWS, targets)
    named = (Output("score", "float", "value"), Output("price", "float", "value", target=1, unit="€"))
    for outputs, names in (((), ["value", "value.value_1"]), (named, ["value", "value.price"])):
        model = package(tmp_path / names[1], estimator, replace(make_signature(), outputs=outputs))
        answers = model.predict(ROWS.head(50))
        assert list(answers.columns()) == names
        expected = estimator.predict(ROWS.head(50))
        np.testing.assert_allclose(answers.to_frame().to_numpy(), expected, rtol=1e-12)


def test_a_classifier_with_several_targets(tmp_path: Path) -> None:
    targets = np.column_stack([make_target(ROWS, "binary").astype(str).astype(object), make_target(ROWS, "multiclass")])
    estimator = make_pipeline(preprocessing(), RandomForestClassifier(10, max_depth=6, random_state=0)).fit(
        ROWS, targets
    )
    answers = package(tmp_path, estimator, make_signature()).predict(ROWS.head(60))
    assert list(answers.columns()) == ["label", "probability", "label.label_1", "probability.probability_1"]
    first, second = estimator.predict_proba(ROWS.head(60))
    assert answers.probability is not None
    np.testing.assert_allclose(answers.probability, first[:, 1])
    np.testing.assert_allclose(answers.more["probability.probability_1"], second.max(axis=1))
    expected = estimator.predict(ROWS.head(60))
    assert answers.to_frame()[["label", "label.label_1"]].to_numpy().tolist() == expected.tolist()


def test_the_probability_of_each_class(tmp_path: Path) -> None:
    classes = ("high", "low", "middle")
    outputs = (
        Output("level", "string", "label", classes=classes),
        *(Output(name, "float", "probability", positive=name) for name in classes),
    )
    model = package(tmp_path, fitted("boosting, three classes"), replace(make_signature(), outputs=outputs))
    assert model.backend == "tables"
    answers = model.predict(ROWS.head(40))
    assert list(answers.columns()) == ["label", "probability", "probability.low", "probability.middle"]
    expected = fitted("boosting, three classes").predict_proba(ROWS.head(40))
    np.testing.assert_array_equal(answers.to_frame().drop(columns="label").to_numpy(), expected)
    single = model.predict([ROWS.iloc[0].astype(object).where(ROWS.iloc[0].notna(), None).to_dict()])
    assert single.to_frame().iloc[0].tolist() == answers.to_frame().iloc[0].tolist()


@pytest.mark.parametrize(
    "estimator", [make_pipeline(StandardScaler(), LogisticRegression()), HistGradientBoostingClassifier(max_iter=10)]
)
def test_a_model_fitted_on_a_matrix(estimator: Any, tmp_path: Path) -> None:
    matrix = np.random.default_rng(0).normal(size=(900, 4))
    estimator.fit(matrix, matrix[:, 0] + matrix[:, 1] ** 2 > 1)
    signature = Signature.infer(matrix)
    assert signature.names == ("x0", "x1", "x2", "x3")
    model = package(tmp_path, estimator, signature, pd.DataFrame(matrix, columns=signature.names))
    assert model.backend == "tables"
    expected = estimator.predict_proba(matrix)[:, 1]
    np.testing.assert_allclose(model.predict(matrix).probability, expected, rtol=1e-12)
    np.testing.assert_allclose(model.predict([dict(zip(signature.names, matrix[7].tolist(), strict=True))]).probability, expected[7], rtol=1e-12)  # fmt: skip
    with pytest.raises(SignatureError, match=r"4 fields, and the matrix has 3 columns"):
        model.predict(matrix[:, :3])


def test_an_output_of_an_unknown_target_is_an_error(tmp_path: Path) -> None:
    signature = replace(make_signature(), outputs=(Output("level", "int", "label", target=2),))
    with pytest.raises(SignatureError, match=r"'level' has target 2, but the model has 1 target, counted from 0"):
        package(tmp_path, fitted("logistic"), signature)


def test_several_outputs_are_served_logged_and_replayed(tmp_path: Path) -> None:
    targets = np.column_stack([make_target(ROWS, "binary").astype(str).astype(object), make_target(ROWS, "multiclass")])
    model = package(tmp_path, make_pipeline(preprocessing(), DecisionTreeClassifier(max_depth=4)).fit(ROWS, targets), make_signature())  # fmt: skip
    names = ["label", "probability", "label.label_1", "probability.probability_1"]
    record = ROWS.iloc[0].astype(object).where(ROWS.iloc[0].notna(), None).to_dict()
    with running(Service(lambda: Logged(model, open_log(tmp_path / "predictions.sqlite"), mode="rest"))) as client:
        answer = client.post("/predict", json=record).json()
        described = client.get("/openapi.json").json()["components"]["schemas"]["Prediction"]["properties"]
        assert client.get("/docs").text.count("label.label_1") >= 1
    assert list(answer)[3:] == list(described)[4:] == names
    ROWS.head(30).to_csv(tmp_path / "rows.csv", index=False)
    invoke = partial(CliRunner().invoke, catch_exceptions=False, env={"NBSHIP_STATE": str(tmp_path)})
    packaged = ["--package", str(tmp_path / "p")]
    assert invoke(predict, [str(tmp_path / "rows.csv"), str(tmp_path / "out.csv"), *packaged]).exit_code == 0
    scored = pd.read_csv(tmp_path / "out.csv", dtype=str)
    assert list(scored.columns) == ["prediction_id", *names]
    for id in (answer["id"], scored["prediction_id"][7]):
        result = json.loads(invoke(replay, [id, *packaged, "--json"]).stdout)
        assert result["same"]
        assert list(result["logged"]) == names
