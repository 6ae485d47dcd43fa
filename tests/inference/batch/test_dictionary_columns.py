"""Dictionary-encoded categories of a Parquet file get the same outputs as strings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from packages import small_provenance
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from nbship import model, predictor
from nbship.errors import InvalidInputError
from nbship.inference import predict_file
from nbship.inference.batch import run as batches
from nbship.model import Field, Output, Signature
from nbship.prediction_log import open_log


def make_rows(count: int, *, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    colour = random.choice(np.array(["red", "green", "blue", None], dtype=object), count)
    return pd.DataFrame(
        {
            "colour": pd.Series(colour, dtype=object),
            "town": pd.Series(random.choice(["Rome", "Oslo", "Bonn"], count), dtype=object),
            "size": random.normal(size=count),
        }
    )


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> predictor.PackagePredictor:
    rows = make_rows(1200, seed=0)
    columns = ColumnTransformer(
        [("texts", OneHotEncoder(handle_unknown="ignore"), ["colour", "town"]), ("rest", "passthrough", ["size"])]
    )
    target = (rows["size"] + (rows["colour"] == "red") + (rows["town"] == "Oslo") > 0.5).astype(int)
    estimator = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=10)).fit(rows, target)
    signature = Signature(
        inputs=(
            Field("colour", "category", categories=("red", "green", "blue"), nullable=True, open=True),
            Field("town", "category", categories=("Rome", "Oslo", "Bonn"), key=True),
            Field("size", "float"),
        ),
        outputs=(Output("chance", "", "probability", positive=1),),
    )
    folder = tmp_path_factory.mktemp("coded") / "coded"
    model.build_package(
        folder, name="coded", estimator=estimator, signature=signature, golden=rows.iloc[::2].reset_index(drop=True),
        reference=rows, provenance=small_provenance(), card="# Coded\n",
    )  # fmt: skip
    found = predictor.load(folder)
    assert found.model.accepts_codes
    return found


def write(rows: pd.DataFrame, path: Path) -> Path:
    # Each row group has its own dictionary.
    rows.to_parquet(path, index=False, row_group_size=90)
    return path


def test_batch(tmp_path: Path, loaded: predictor.PackagePredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "CHUNK_ROWS", 200)
    rows = make_rows(500, seed=3)
    rows.loc[[7, 300], "colour"] = ["violet", "ultraviolet"]
    expected = loaded.predict_records(rows.astype(object).where(rows.notna(), None).to_dict("records")).outputs
    rows.loc[[11, 402], "town"] = ["Paris", None]
    with open_log(tmp_path / "log.sqlite") as log:
        run = predict_file(
            loaded, log, source=write(rows, tmp_path / "in.parquet"), target=tmp_path / "out.parquet"
        ).run
    assert (run.rows, run.rejected) == (498, 2)
    out = pd.read_parquet(tmp_path / "out.parquet")
    kept = [number for number in range(500) if number not in (11, 402)]
    assert out["probability"].tolist() == [expected[number]["probability"] for number in kept]
    assert out["town"].tolist() == rows["town"][kept].tolist()
    rejected = pd.read_csv(tmp_path / "out.parquet.rejected.csv", keep_default_na=False)
    assert rejected["row"].tolist() == [11, 402]
    assert rejected["reason"].str.startswith("town: ").all()


def test_categoricals_of_frames(loaded: predictor.PackagePredictor) -> None:
    rows = make_rows(300, seed=4)
    expected = loaded.predict(rows).probability
    # 'Paris' is a category of no row.
    coded = rows.assign(
        colour=pd.Categorical(rows["colour"], categories=["blue", "red", "green"]),
        town=pd.Categorical(rows["town"], categories=["Paris", "Oslo", "Rome", "Bonn"]),
    )
    assert np.array_equal(loaded.predict(coded).probability, expected)
    wrong = coded.copy()
    wrong.loc[5, "town"] = "Paris"
    with pytest.raises(InvalidInputError) as caught:
        loaded.predict(wrong)
    assert [(failure.row, failure.field) for failure in caught.value.failures] == [(5, "town")]
