"""Columns of a training frame without any value: their type is known from the dtype, or has to be described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from nbship import predictor
from nbship.errors import SignatureError
from nbship.model import Provenance, Signature, build_package

COUNT = 600
UNKNOWN = {
    "None": pd.Series([None] * COUNT, dtype=object),
    "NaN": pd.Series([np.nan] * COUNT, dtype=object),
    "str": pd.Series([np.nan] * COUNT, dtype="str"),
    "string": pd.Series([pd.NA] * COUNT, dtype="string"),
    "no categories": pd.Series(pd.Categorical([None] * COUNT)),
    "unused categories": pd.Series(pd.Categorical([None] * COUNT, categories=["x", "y"])),
}
KNOWN = {
    "float64": (pd.Series([np.nan] * COUNT), "float"),
    "Float64": (pd.Series([pd.NA] * COUNT, dtype="Float64"), "float"),
    "Int64": (pd.Series([pd.NA] * COUNT, dtype="Int64"), "int"),
    "boolean": (pd.Series([pd.NA] * COUNT, dtype="boolean"), "bool"),
    "timestamps": (pd.Series([pd.NaT] * COUNT, dtype="datetime64[us, UTC]"), "datetime"),
}


def frame_with(column: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"a": np.random.default_rng(0).normal(size=COUNT), "x": column})


def packaged(estimator: Any, frame: pd.DataFrame, folder: Path, **fields: Any) -> predictor.PackagePredictor:
    estimator.fit(frame, frame.a > 0)
    build_package(
        folder / "p", name="empty", estimator=estimator, signature=Signature.infer(frame, fields=fields), golden=frame.head(500),
        reference=frame, provenance=Provenance(),
    )  # fmt: skip
    return predictor.load(folder / "p")


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_column_of_unknown_type_has_to_be_described(name: str) -> None:
    frame = frame_with(UNKNOWN[name])
    with pytest.raises(SignatureError, match=r"Column 'x' holds no value, so its type is unknown. Leave it out, or "):
        Signature.infer(frame)
    described = Signature.infer(frame, fields={"x": {"dtype": "category", "open": True}})["x"]
    assert (described.dtype, described.open, described.nullable) == ("category", True, True)


def test_the_description_of_the_message_is_packaged(tmp_path: Path) -> None:
    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["x"]), remainder="passthrough")
    frame = frame_with(UNKNOWN["None"])
    model = packaged(
        make_pipeline(columns, LogisticRegression()), frame, tmp_path, x={"dtype": "category", "open": True}
    )
    assert model.predict([{"a": 1.0, "x": value} for value in (None, "new")]).label.tolist() == [True, True]


@pytest.mark.parametrize("name", KNOWN)
def test_a_dtype_says_what_the_values_would_be(name: str, tmp_path: Path) -> None:
    column, dtype = KNOWN[name]
    frame = frame_with(column)
    model = packaged(
        make_pipeline(make_column_transformer(("passthrough", ["a"])), LogisticRegression()), frame, tmp_path
    )
    assert model.signature["x"].dtype == dtype
    assert model.predict([{"a": -1.0, "x": None}]).label.tolist() == [False]


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
def test_an_imputer_that_leaves_out_empty_columns_is_compiled(tmp_path: Path) -> None:
    columns = make_column_transformer((SimpleImputer(add_indicator=True), ["x", "a"]))
    model = packaged(make_pipeline(columns, LogisticRegression()), frame_with(KNOWN["float64"][0]), tmp_path)
    assert model.backend == "tables"
    assert model.predict([{"a": 2.0, "x": 5.0}, {"a": -2.0, "x": None}]).label.tolist() == [True, False]
