"""Box-Cox takes positive numbers only: it is compiled if the signature allows no others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer

from nbship.model import Signature
from nbship.model.backends import Compiled
from nbship.model.compiler.choose import choose_backend
from nbship.model.signature import columns_of

RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame({"a": np.exp(RANDOM.normal(size=500)), "b": RANDOM.normal(size=500)})
FRAME.loc[::9, "a"] = np.nan


@pytest.fixture(scope="module")
def estimator() -> Any:
    power = make_pipeline(SimpleImputer(), PowerTransformer(method="box-cox"))
    columns = make_column_transformer((power, ["a"]), remainder="passthrough")
    label = (FRAME["a"].fillna(1) + FRAME["b"] > 1).astype(int)
    return make_pipeline(columns, HistGradientBoostingClassifier(max_iter=5)).fit(FRAME, label)


def test_box_cox_is_compiled_for_a_field_with_a_positive_minimum(estimator: Any) -> None:
    signature = Signature.infer(FRAME, fields={"a": {"minimum": 0.001}})
    choice = choose_backend(estimator, signature, columns=columns_of(FRAME), code={})
    assert choice.name == "tables", choice.report
    model = Compiled(choice.files["tables.npz"], renamed={})
    rows = pd.DataFrame({"a": np.geomspace(0.001, 1e6, 3000), "b": np.resize(FRAME["b"], 3000)})
    rows.loc[::50, "a"] = np.nan
    assert model.scores(columns_of(rows)).tolist() == estimator.predict_proba(rows).tolist()


@pytest.mark.parametrize("limits", [{}, {"minimum": 0}, {"minimum": -1}])
def test_box_cox_is_not_compiled_for_other_fields(limits: Any, estimator: Any) -> None:
    signature = Signature.infer(FRAME, fields={"a": limits})
    report = choose_backend(estimator, signature, columns=columns_of(FRAME), code={}).report
    assert report["path"] == "sklearn"
    assert report["tables"] == "Not compiled: field 'a' has no minimum above 0, which Box-Cox needs."
