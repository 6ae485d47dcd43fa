"""Functions that increase, and whose rounded values do not: each number near a threshold is answered as by scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, QuantileTransformer

from nbship.model import Signature
from nbship.model.backends import Compiled
from nbship.model.compiler import choose_backend, compile
from nbship.model.signature import columns_of

RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame({"a": RANDOM.exponential(30, 500), "b": RANDOM.normal(size=500)})
VALUE = np.sin(FRAME["a"] / 5) + FRAME["b"]
FUNCTIONS = {
    **{each.__name__: FunctionTransformer(each) for each in (np.cbrt, np.log1p, np.arctan, np.tanh, np.sinh)},
    "power": PowerTransformer(),
    "quantiles": QuantileTransformer(n_quantiles=50),
}
MODELS = [
    HistGradientBoostingRegressor(max_iter=10, min_samples_leaf=5, random_state=0),
    RandomForestRegressor(8, random_state=0),
]


def neighbours(numbers: Any, *, count: int) -> Any:
    """Return each number and the floating-point numbers next to it, `count` on each side."""
    found = [numbers, -numbers]
    for limit in (np.inf, -np.inf):
        near = numbers
        for _ in range(count):
            near = np.nextafter(near, limit)
            found.append(near)
    return np.concatenate(found)


# Forests reject the infinite values of these.
UNBOUNDED = ("log1p", "sinh", "power")
USUAL = [
    ("cbrt", 0, "tables"),
    ("cbrt", 1, "nodes"),
    ("tanh", 0, "nodes"),
    ("log1p", 0, "tables"),
    ("quantiles", 0, "tables"),
]
CASES = [
    pytest.param(name, model, path, marks=() if (name, number, path) in USUAL else pytest.mark.long, id=f"{name}-{number}-{path}")
    for name in FUNCTIONS
    for number, model in enumerate(MODELS)
    for path in ("tables", "nodes")
    if not (number and name in UNBOUNDED)
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("name", "model", "path"), CASES)
def test_numbers_near_thresholds(name: str, model: Any, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if path == "nodes":
        monkeypatch.setattr(compile, "_LARGEST", 0)
    estimator = make_pipeline(clone(FUNCTIONS[name]), clone(model)).fit(FRAME, VALUE)
    choice = choose_backend(estimator, Signature.infer(FRAME), columns=columns_of(FRAME), code={})
    assert choice.report["path"] == path, choice.report
    compiled = Compiled(choice.files[f"{path}.npz"], renamed={}, name=path)
    for source in compiled.tables.inputs:
        # Cuts are where tests end: every number near one is tried.
        numbers = neighbours(source.cuts, count=20)
        rows = pd.DataFrame({each: np.full(len(numbers), 0.5) for each in FRAME}).assign(**{source.name: numbers})
        np.testing.assert_allclose(
            compiled.scores(columns_of(rows)).ravel(), estimator.predict(rows), rtol=1e-12, atol=1e-12
        )
