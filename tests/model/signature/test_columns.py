from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from nbship.errors import SignatureError
from nbship.model import ColumnFeatures, columns_of, to_local


def features(columns):
    return {"double": columns["size"] * 2, "kind": columns["kind"], "big": columns["size"] > 5}


@pytest.fixture
def frame() -> pd.DataFrame:
    random = np.random.default_rng(0)
    kind = random.choice(["a", "b", "c", None], 300, p=[0.5, 0.3, 0.1, 0.1])
    return pd.DataFrame({"size": random.integers(0, 10, 300), "kind": pd.Series(kind, dtype=object)})


def test_string_features_come_first_as_codes(frame: pd.DataFrame) -> None:
    fitted = ColumnFeatures(features, categorical=("kind",)).fit(frame)
    assert fitted.get_feature_names_out().tolist() == ["kind", "double", "big"]
    matrix = fitted.transform({"size": np.array([3, 6, 1]), "kind": np.array(["b", None, "new"], dtype=object)})
    np.testing.assert_array_equal(matrix, [[1, 6, 0], [np.nan, 12, 1], [3, 2, 0]])


def test_rare_and_unknown_strings_share_a_code(frame: pd.DataFrame) -> None:
    fitted = ColumnFeatures(features, max_categories=2).fit(frame)
    matrix = fitted.transform({"size": np.array([1, 1, 1]), "kind": np.array(["a", "c", "new"], dtype=object)})
    assert matrix[:, 0].tolist() == [0, 2, 2]


def test_it_works_as_a_pipeline_step(frame: pd.DataFrame) -> None:
    pipeline = make_pipeline(ColumnFeatures(features), DecisionTreeClassifier(max_depth=3))
    scores = cross_val_score(pipeline, frame, frame["size"] > 5, cv=3)
    assert scores.min() == 1.0
    assert clone(pipeline).steps[0][1].function is features


def test_frames_and_columns_give_the_same_matrix(frame: pd.DataFrame) -> None:
    fitted = ColumnFeatures(features).fit(frame)
    assert fitted.transform(frame).tobytes() == fitted.transform(columns_of(frame)).tobytes()


def test_mistakes_are_named(frame: pd.DataFrame) -> None:
    with pytest.raises(SignatureError, match="'kind' holds strings and is missing"):
        ColumnFeatures(features, categorical=()).fit(frame)
    with pytest.raises(SignatureError, match="'double' holds no strings and is named in"):
        ColumnFeatures(features, categorical=("kind", "double")).fit(frame)
    with pytest.raises(SignatureError, match="needs the column 'kind'"):
        ColumnFeatures(features).fit(frame.drop(columns="kind"))
    with pytest.raises(SignatureError, match="without a time zone"):
        columns_of(pd.DataFrame({"at": pd.to_datetime(["2024-01-01"])}))


def test_columns_have_the_documented_types() -> None:
    columns = columns_of(
        pd.DataFrame(
            {
                "flag": [True, False], "small": np.array([1, 2], dtype="int8"), "maybe": pd.array([1, None], dtype="Int64"),
                "single": np.array([1, 2], dtype="float32"), "text": ["a", None], "kind": pd.Categorical(["x", None]),
                "at": pd.to_datetime(["2024-07-01T08:00", None]).tz_localize("America/New_York"),
            }
        )
    )  # fmt: skip
    kinds = {name: column.dtype.str for name, column in columns.items()}
    assert kinds == {
        "flag": "|b1", "small": "<i8", "maybe": "<f8", "single": "<f8", "text": "|O", "kind": "|O", "at": "<M8[us]",
    }  # fmt: skip
    assert columns["text"].tolist() == ["a", None]
    assert columns["kind"].tolist() == ["x", None]
    assert columns["at"][0] == np.datetime64("2024-07-01T12:00", "us")


@pytest.mark.parametrize("count", [1, 64, 65])
@pytest.mark.parametrize(
    ("utc", "zone", "local"),
    [
        ("9999-12-31T23:30", "Asia/Tokyo", "10000-01-01T08:30"),
        ("9999-12-31T23:30", "America/New_York", "9999-12-31T18:30"),
        ("0001-01-01T00:30", "Asia/Tokyo", "0001-01-01T09:48:59"),
        ("0001-01-01T00:30", "America/New_York", "0000-12-31T19:33:58"),
    ],
)
def test_local_time_at_the_ends_of_the_calendar(utc: str, zone: str, local: str, count: int) -> None:
    found = to_local(np.array([utc] * count, dtype="datetime64[us]"), zone)
    assert (found == np.datetime64(local, "us")).all()
    assert len(found) == count


def test_local_time_is_the_same_for_one_and_many() -> None:
    hours = np.arange("2024-03-09T00", "2024-03-12T00", dtype="datetime64[h]").astype("datetime64[us]")
    times = np.concatenate([hours, hours + np.timedelta64(238, "D"), [np.datetime64("NaT", "us")]])
    many = to_local(times, "America/New_York")
    few = np.concatenate([to_local(times[[place]], "America/New_York") for place in range(len(times))])
    assert many.tobytes() == few.tobytes()
    assert str(to_local(times[32:33], "America/New_York")[0]) == "2024-03-10T04:00:00.000000"
