"""What cannot be packaged is named in one sentence, with what to do instead."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from own_estimators import ANONYMOUS, Centred, Own, Plain, Writing, local_function
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from nbship.errors import NbshipError, PackageError, SignatureError
from nbship.model import Provenance, Signature, build_package
from nbship.predictor import load

pytestmark = pytest.mark.filterwarnings("ignore")

RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame(RANDOM.normal(size=(520, 2)), columns=["a", "b"])
LATE = (FRAME.a > 0).astype(int)


def build(folder: Path, estimator: Any) -> None:
    build_package(
        folder / "package", name="own", estimator=estimator, signature=Signature.infer(FRAME), golden=FRAME, reference=FRAME,
        provenance=Provenance(),
    )  # fmt: skip


def boosting(library: str, name: str) -> Any:
    return getattr(pytest.importorskip(library), name)


def xgb_booster() -> Any:
    xgboost = importlib.import_module(pytest.importorskip("xgboost").__name__)
    return xgboost.train({}, xgboost.DMatrix(FRAME, LATE), 2)


CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "nothing": (lambda: None, r"An object of type 'NoneType' is not an estimator: it has no `predict`\. Pass a fitted one\."),
    "a class": (lambda: LogisticRegression, r"'LogisticRegression' is a class\. Pass a fitted instance"),
    "not fitted": (lambda: LogisticRegression(), r"LogisticRegression is not fitted\. Call `fit`"),
    "xgboost, not fitted": (lambda: boosting("xgboost", "XGBClassifier")(), r"XGBClassifier is not fitted\. Call `fit`"),
    "lightgbm, not fitted": (lambda: boosting("lightgbm", "LGBMRegressor")(), r"LGBMRegressor is not fitted\. Call `fit`"),
    "catboost, not fitted": (lambda: boosting("catboost", "CatBoostClassifier")(), r"CatBoostClassifier is not fitted\. Call"),
    "a booster": (xgb_booster, r"'xgboost\.Booster' is not an estimator of scikit-learn\. Fit an XGBClassifier or XGBRegressor"),
    "catboost, base": (lambda: boosting("catboost", "CatBoost")(), r"'catboost\.CatBoost' is not an .*Fit a CatBoostClassifier"),
    "a transformer": (lambda: StandardScaler().fit(FRAME), r"StandardScaler has no `predict`\. Package a pipeline"),
    "a search": (
        lambda: GridSearchCV(LogisticRegression(), {"C": [1]}, refit=False, cv=2).fit(FRAME, LATE), r"refit=False.* Set refit=True"
    ),
    "no estimator": (Plain, r"Plain is not an estimator of scikit-learn\. Let its class inherit from sklearn\.base\.BaseEstimator"),
    "labels": (
        lambda: KNeighborsClassifier().fit(FRAME, pd.to_datetime("2024-01-01") + pd.to_timedelta(LATE, "D")),
        r"A class of the target is of type 'datetime', which no output can have\. Fit the estimator to strings",
    ),
    "a frame": (lambda: Own(FRAME).fit(FRAME, LATE), r"Own cannot be stored, as its attribute 'held' is of type 'DataFrame': .*\. Keep it"),
    "a lambda": (lambda: Own(ANONYMOUS).fit(FRAME, LATE), r"uses a lambda of the module 'own_estimators', .*Define it at the top of the module"),
    "an inner function": (lambda: Own(local_function()).fit(FRAME, LATE), r"uses 'inner' of the module 'own_estimators', .*Define it"),
    "unknown function": (
        lambda: make_pipeline(FunctionTransformer(np.histogram), LogisticRegression().fit(FRAME, LATE)),
        r"'numpy\.histogram', which is not trusted\. nbship does not know this function of numpy: call it in a function of the project's",
    ),
    "other rows": (lambda: Centred().fit(FRAME, LATE), r"The estimator's answer for .* depends on the other rows"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_object_that_cannot_be_packaged(name: str, tmp_path: Path) -> None:
    make, message = CASES[name]
    with pytest.raises(NbshipError, match=message) as raised:
        build(tmp_path, make())
    assert isinstance(raised.value, (PackageError, SignatureError))
    assert "\n" not in str(raised.value)


def test_an_estimator_may_write_into_its_input(tmp_path: Path) -> None:
    before = FRAME.copy()
    build(tmp_path, Writing().fit(FRAME, LATE))
    assert (load(tmp_path / "package").predict(FRAME).value == 2 * before.a).all()
    pd.testing.assert_frame_equal(FRAME, before)


def test_functions_of_numpy_that_only_calculate_are_packaged(tmp_path: Path) -> None:
    steps = [FunctionTransformer(np.clip, kw_args={"a_min": -1, "a_max": 1}), FunctionTransformer(np.nan_to_num)]
    estimator = make_pipeline(*steps, LogisticRegression()).fit(FRAME, LATE)
    build(tmp_path, estimator)
    expected = estimator.predict_proba(FRAME)[:, 1]
    np.testing.assert_allclose(load(tmp_path / "package").predict(FRAME).probability, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [Decimal("1.5")],
            r"'x' holds values of type 'Decimal', which no field can have\. Convert it: \.astype\(float\)",
        ),
        ([date(2024, 1, 1)], r"of type 'date', .* Convert it: pandas\.to_datetime"),
        ([b"x"], r"of type 'bytes', .* Convert it: \.str\.decode"),
        ([[1]], r"of type 'list', .* Convert it: \.astype\(str\), or into several columns"),
        ([1, "x"], r"holds values of several types: int, str\. Convert it to one"),
        ([True, 0], r"holds values of several types: bool, int\."),
    ],
)
def test_a_column_of_objects(values: list[Any], message: str) -> None:
    with pytest.raises(SignatureError, match=message):
        Signature.infer(pd.DataFrame({"x": pd.Series(values * 3, dtype=object)}))
