"""What scikit-learn multiplies in float32: its own answers for a row alone and among others differ, and so do ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nbship import acceptance, predictor
from nbship.model import Provenance, Signature, build_package
from nbship.model.backends import BOUND, FLOAT32_BOUND

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame(RANDOM.normal(size=(700, 6)) * 100, columns=list("abcdef"))
NARROW = FRAME.astype("float32")
VALUE = (FRAME.a + FRAME.b * FRAME.c / 100).to_numpy()
LATE = (VALUE > 0).astype(int)
BOOSTING: dict[str, Any] = {"n_estimators": 5, "random_state": 0}
CASES = {
    "init of a classifier": (GradientBoostingClassifier(init=LogisticRegression(), **BOOSTING), FRAME, LATE),
    "init of a regression": (GradientBoostingRegressor(init=LinearRegression(), **BOOSTING), FRAME, VALUE),
    "init of layers": (GradientBoostingRegressor(init=MLPRegressor(hidden_layer_sizes=(40,), max_iter=20, random_state=0), **BOOSTING), FRAME, VALUE),
    "logistic": (LogisticRegression(), NARROW, LATE),
    "linear": (LinearRegression(), NARROW, VALUE),
    "network": (make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(50,), max_iter=20, random_state=0)), NARROW, VALUE),
}  # fmt: skip


def answers(model: Any, rows: pd.DataFrame) -> Any:
    return model.predict_proba(rows)[:, 1] if hasattr(model, "predict_proba") else model.predict(rows)


def packaged(model: Any, frame: pd.DataFrame, folder: Path) -> predictor.PackagePredictor:
    build_package(
        folder, name="narrow", estimator=model, signature=Signature.infer(frame), golden=frame.head(500), reference=frame,
        provenance=Provenance(),
    )  # fmt: skip
    return predictor.load(folder)


@pytest.mark.parametrize("name", CASES)
def test_they_are_packaged_within_the_bound_of_float32(name: str, tmp_path: Path) -> None:
    model, frame, target = CASES[name]
    model.fit(frame, target)
    package = packaged(model, frame, tmp_path / "p")
    assert package.model.bound == FLOAT32_BOUND
    assert len(list(acceptance.prove(tmp_path / "p"))) == 6
    given = package.predict(frame)
    found = given.value if given.probability is None else given.probability
    together = answers(model, frame)
    alone = np.concatenate([answers(model, frame.iloc[[row]]) for row in range(0, 700, 10)])
    # scikit-learn itself differs by far more than the bound of other models.
    own = np.abs(alone - together[::10]) / np.maximum(1, np.abs(alone))
    assert own.max() > 100 * BOUND["sklearn"]
    for expected, rows in ((together, slice(None)), (alone, slice(None, None, 10))):
        apart = np.abs(found[rows] - expected) / np.maximum(1, np.abs(expected))
        assert apart.max() < FLOAT32_BOUND
    for row in range(0, 700, 50):
        one = package.predict(frame.iloc[[row]])
        assert (one.value if one.probability is None else one.probability)[0] == found[row]


@pytest.mark.parametrize("start", [None, "zero", RandomForestRegressor(3, random_state=0)])
def test_trees_have_the_usual_bound(start: Any, tmp_path: Path) -> None:
    model = GradientBoostingRegressor(init=start, **BOOSTING).fit(FRAME, VALUE)
    package = packaged(model, FRAME, tmp_path / "p")
    assert package.model.bound == 1e-12
    np.testing.assert_allclose(package.predict(FRAME).value, model.predict(FRAME), rtol=1e-12)
