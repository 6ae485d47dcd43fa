"""Regressors of a transformed target are compiled, if the function back to the target is simple."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, VotingRegressor
from sklearn.linear_model import LinearRegression, PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

from nbship.model import Signature
from nbship.model.backends import Compiled
from nbship.model.compiler import choose
from nbship.model.compiler.choose import Choice, choose_backend
from nbship.model.signature import columns_of

RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame({"a": RANDOM.normal(size=600), "b": RANDOM.integers(0, 9, 600)})
TARGET = np.exp(FRAME["a"] / 2 + FRAME["b"] / 5 + RANDOM.normal(0, 0.1, 600))


def regressor(**options: Any) -> Any:
    return TransformedTargetRegressor(make_pipeline(StandardScaler(), LinearRegression()), **options)


COMPILED = {
    "log": regressor(func=np.log, inverse_func=np.exp),
    "log1p": regressor(func=np.log1p, inverse_func=np.expm1),
    "root": regressor(func=np.sqrt, inverse_func=np.square),
    "function transformer": regressor(transformer=FunctionTransformer(np.arcsinh, np.sinh)),
    "standard": regressor(transformer=StandardScaler()),
    "not centred": regressor(transformer=StandardScaler(with_mean=False)),
    "not scaled": regressor(transformer=StandardScaler(with_std=False)),
    "range": regressor(transformer=MinMaxScaler((-2, 7))),
    "robust": regressor(transformer=RobustScaler()),
    "largest": regressor(transformer=MaxAbsScaler()),
    "trees": TransformedTargetRegressor(HistGradientBoostingRegressor(max_iter=5), func=np.log, inverse_func=np.exp),
    "last step": make_pipeline(StandardScaler(), TransformedTargetRegressor(PoissonRegressor(), transformer=MinMaxScaler())),
    "vote": VotingRegressor([("a", regressor(func=np.log, inverse_func=np.exp)), ("b", LinearRegression())]),
}  # fmt: skip
OTHERS = {
    "power": regressor(transformer=PowerTransformer()),
    "clipped": regressor(transformer=MinMaxScaler(clip=True)),
    "no inverse": regressor(transformer=FunctionTransformer(np.log, check_inverse=False), check_inverse=False),
}


def choice_of(estimator: Any) -> Choice:
    estimator.fit(FRAME, TARGET)
    return choose_backend(estimator, Signature.infer(FRAME), columns=columns_of(FRAME), code={})


@pytest.mark.parametrize("name", COMPILED)
def test_a_simple_inverse_is_compiled(name: str) -> None:
    choice = choice_of(COMPILED[name])
    assert choice.name == "tables", choice.report
    model = Compiled(choice.files["tables.npz"], renamed={})
    rows = FRAME.assign(a=FRAME["a"] * 1.5)
    found = model.scores(columns_of(rows))
    np.testing.assert_allclose(found[:, 0], COMPILED[name].predict(rows), rtol=1e-12, atol=1e-12)
    for row, expected in zip(rows.head(20).to_dict("records"), found.tolist(), strict=False):
        assert model.score_row([float(row[name]) for name in model.names]) == expected


@pytest.mark.parametrize("name", OTHERS)
def test_another_inverse_is_left_to_other_backends(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A conversion to ONNX would take seconds.
    monkeypatch.setattr(choose, "find_spec", lambda _: None)
    report = choice_of(OTHERS[name]).report
    assert report["path"] == "sklearn"
    assert report["tables"].startswith("Not compiled: TransformedTargetRegressor inverts "), report
