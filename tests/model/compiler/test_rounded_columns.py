"""A threshold that a column's type does not hold lies between two of its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nbship.model import Signature
from nbship.model.compiler import choose_backend
from nbship.model.signature import columns_of


@pytest.mark.parametrize("dtype", ["float32", "float[pyarrow]"])
@pytest.mark.parametrize("first", [None, SimpleImputer(strategy="median"), StandardScaler()], ids=str)
def test_trees_over_rounded_columns_are_compiled(dtype: str, first: Any) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.normal(size=600), "b": random.normal(size=600)}).astype({"a": dtype})
    value = frame["a"].to_numpy(dtype=float) + frame["b"]
    model = HistGradientBoostingRegressor(max_iter=5, random_state=0)
    estimator = (model if first is None else make_pipeline(clone(first), model)).fit(frame, value)
    report = choose_backend(estimator, Signature.infer(frame), columns=columns_of(frame), code={}).report
    assert report["path"] == "tables", report
