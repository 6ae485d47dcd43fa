"""Linear models of nearly collinear columns: what is served agrees with scikit-learn on rows far out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from nbship.model import Signature
from nbship.model.backends import Compiled
from nbship.model.compiler import choose
from nbship.model.signature import columns_of


def collinear(apart: float) -> tuple[pd.DataFrame, Any]:
    random = np.random.default_rng(0)
    size = random.normal(size=1000)
    frame = pd.DataFrame({"a": size, "b": size + apart * random.normal(size=1000), "c": 1e3 * size})
    frame["c"] += apart * random.normal(size=1000)
    return frame, size + random.normal(size=1000)


@pytest.mark.parametrize("apart", [1.0, 1e-2, 1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize(
    "estimator",
    [make_pipeline(StandardScaler(), LinearRegression()), make_pipeline(MinMaxScaler(), Ridge(1e-10))],
    ids=["scaled", "ranged"],
)
def test_collinear_rows_far_out(apart: float, estimator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large terms cancel, so that their sum has a relative error; beyond 1e-12 the tables are not chosen."""
    monkeypatch.setattr(choose, "find_spec", lambda _: None)
    frame, value = collinear(apart)
    estimator.fit(frame, value)
    choice = choose.choose_backend(estimator, Signature.infer(frame), columns=columns_of(frame), code={})
    if choice.name == "sklearn":
        assert choice.report["tables"].startswith("Not proven: outputs differ by up to ")
        assert np.abs(estimator[-1].coef_).max() > 100
        return
    model = Compiled(choice.files["tables.npz"], renamed={})
    for factor in (1.0, -30.0, 1e3):
        expected = estimator.predict(frame * factor)
        apart_by = np.abs(model.scores(columns_of(frame * factor))[:, 0] - expected)
        assert (apart_by / np.maximum(1, np.abs(expected))).max() <= 2e-12


def test_columns_that_are_not_collinear_are_compiled() -> None:
    frame, value = collinear(1.0)
    estimator = make_pipeline(StandardScaler(), LinearRegression()).fit(frame, value)
    assert choose.choose_backend(estimator, Signature.infer(frame), columns=columns_of(frame), code={}).name == "tables"
