"""XGBoost, LightGBM and CatBoost inside estimators of scikit-learn, with several labels, and with what cannot be stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.preprocessing import StandardScaler

from nbship.acceptance import prove
from nbship.errors import PackageError, SignatureError
from nbship.model import Provenance, Signature, build_package, save_estimator
from nbship.predictor import PackagePredictor, load

pytestmark = pytest.mark.filterwarnings("ignore")

RANDOM = np.random.default_rng(0)
ROWS = 600
FRAME = pd.DataFrame({"a": RANDOM.normal(size=ROWS), "b": RANDOM.integers(0, 50, ROWS)})
LATE = (FRAME.a + RANDOM.normal(size=ROWS) > 0.5).astype(int)
VALUE = np.exp(FRAME.a) + 1
LABELS = np.column_stack([LATE, FRAME.b > 25, FRAME.a > 0]).astype(int)


def xgb(kind: str = "XGBClassifier", **options: Any) -> Any:
    return getattr(pytest.importorskip("xgboost"), kind)(**{"n_estimators": 8, "max_depth": 3, "n_jobs": 1, **options})


def lgbm(**options: Any) -> Any:
    return pytest.importorskip("lightgbm").LGBMClassifier(n_estimators=8, num_leaves=6, verbose=-1, n_jobs=1, **options)


def cat(**options: Any) -> Any:
    given = {"iterations": 8, "depth": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
    return pytest.importorskip("catboost").CatBoostClassifier(**given, **options)


def built(folder: Path, estimator: Any, frame: pd.DataFrame = FRAME) -> PackagePredictor:
    build_package(
        folder / "package", name="own", estimator=estimator, signature=Signature.infer(frame), golden=frame.head(500),
        reference=frame, provenance=Provenance(),
    )  # fmt: skip
    assert len(list(prove(folder / "package"))) == 6
    return load(folder / "package")


@pytest.mark.parametrize("make", [xgb, cat])
def test_a_threshold_over_a_frozen_model(make: Callable[[], Any], tmp_path: Path) -> None:
    model = FixedThresholdClassifier(FrozenEstimator(make().fit(FRAME, LATE)), threshold=0.3).fit(FRAME, LATE)
    assert (built(tmp_path, model).predict(FRAME).label == model.predict(FRAME)).all()


@pytest.mark.parametrize(
    "inverse",
    [{"func": np.log, "inverse_func": np.exp}, {"func": np.log1p, "inverse_func": np.expm1}, {"transformer": StandardScaler()}],
    ids=["exp", "expm1", "scaled"],
)  # fmt: skip
def test_a_row_of_a_transformed_target_has_the_value_that_it_has_in_a_batch(
    inverse: dict[str, Any], tmp_path: Path
) -> None:
    estimator = TransformedTargetRegressor(xgb("XGBRegressor"), **inverse).fit(FRAME, VALUE)
    model = built(tmp_path, estimator)
    expected = estimator.predict(FRAME)
    np.testing.assert_allclose(model.predict(FRAME).value, expected, rtol=1e-12)
    records = FRAME.head(50).to_dict("records")
    values = model.predict(FRAME).value.tolist()
    assert [model.predict_records([each]).outputs[0]["value"] for each in records] == values[:50]


def test_a_vote_of_regressors(tmp_path: Path) -> None:
    estimator = VotingRegressor([("x", xgb("XGBRegressor")), ("l", LinearRegression())]).fit(FRAME, VALUE)
    np.testing.assert_allclose(built(tmp_path, estimator).predict(FRAME).value, estimator.predict(FRAME), rtol=1e-12)


@pytest.mark.parametrize(
    "make", [xgb, lambda: xgb(multi_strategy="multi_output_tree"), lambda: cat(loss_function="MultiLogloss")],
    ids=["xgboost", "xgboost, vectors", "catboost"],
)  # fmt: skip
def test_each_label_of_several_is_an_output(make: Callable[[], Any], tmp_path: Path) -> None:
    estimator = make().fit(FRAME, LABELS)
    answers = built(tmp_path, estimator).predict(FRAME).columns()
    labels, probabilities = np.asarray(estimator.predict(FRAME)), estimator.predict_proba(FRAME)
    for index, suffix in enumerate(["", "_1", "_2"]):
        label, probability = (f"{kind}.{kind}{suffix}" if suffix else kind for kind in ("label", "probability"))
        assert (answers[label] == labels[:, index]).all()
        np.testing.assert_allclose(answers[probability], probabilities[:, index], rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", [xgb, lgbm])
def test_a_target_of_one_class_is_an_error_when_the_package_is_built(make: Callable[[], Any], tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match=r"returns 2 scores for 1 class, 0\. Fit it on rows of at least two"):
        built(tmp_path, make().fit(FRAME, LATE * 0))


def test_text_features_are_an_error_and_not_the_end_of_the_process(tmp_path: Path) -> None:
    frame = FRAME.assign(note=[f"{word} hello" for word in RANDOM.choice(["x", "y"], ROWS)])
    estimator = cat(text_features=["note"]).fit(frame, LATE)
    with pytest.raises(PackageError, match=r"has text features, which CatBoost cannot store a second time\. Turn"):
        built(tmp_path, estimator, frame)
    with pytest.raises(PackageError, match="has text features"):
        save_estimator(estimator, tmp_path / "model.skops")
