from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nbship.errors import EmptyDataError, SourceError
from nbship.model.signature import Field
from nbship.tabular.readers import read_chunks, read_column_names

FIELDS = (
    Field("at", "datetime", timezone="America/New_York"),
    Field("kind", "category", categories=("a", "b")),
    Field("size", "int"),
    Field("weight", "float", nullable=True),
    Field("stops", "int", nullable=True),
    Field("note", "string", nullable=True),
    Field("new", "bool"),
)
TEXT = """at,kind,size,weight,stops,note,new
2024-07-01T08:00:00-04:00,a,1,0.1,2,"x, y",true
2024-07-01 09:30,b,2.0,,,,0
"""


def one(path: Path, fields=FIELDS, **options):
    (chunk,) = read_chunks(path, fields, **options)
    return chunk


def csv(tmp_path: Path, text: str, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_is_read_by_the_fields(tmp_path: Path) -> None:
    chunk = one(csv(tmp_path, TEXT))
    assert chunk.failures == ()
    frame = chunk.frame
    assert frame["at"].tolist() == [pd.Timestamp("2024-07-01T12:00Z"), pd.Timestamp("2024-07-01T13:30Z")]
    assert frame["kind"].tolist() == ["a", "b"]
    assert frame["size"].dtype == "int64"
    assert frame["size"].tolist() == [1, 2]
    assert frame["weight"].iloc[0] == 0.1
    assert np.isnan(frame["weight"].iloc[1])
    assert frame["stops"].dtype == "float64"
    assert frame["note"].tolist() == ["x, y", None]
    assert frame["new"].dtype == "bool"
    assert frame["new"].tolist() == [True, False]


def test_an_invalid_value_is_a_failure_of_its_row(tmp_path: Path) -> None:
    rows = [
        "2024-11-03 01:30,a,1,1,1,,1",
        "soon,a,1,1,1,,1",
        "2024-07-01 09:30,,1,1,1,,1",
        "2024-07-01 09:30,a,1.5,nan,x,,maybe",
        "2024-07-01 09:30,a,3,1_000,1,,1",
        "2024-07-01 09:30,a,4,1e999,1,,1",
        "2024-07-01 09:30,a,5,1e3,1,,1",
    ]
    chunk = one(csv(tmp_path, "at,kind,size,weight,stops,note,new\n" + "\n".join(rows)))
    wrong = {(failure.row, failure.field): failure.reason for failure in chunk.failures}
    assert set(wrong) == {
        (0, "at"), (1, "at"), (2, "kind"), (3, "size"), (3, "weight"), (3, "stops"), (3, "new"), (4, "weight"), (5, "weight"),
    }  # fmt: skip
    assert "occurs twice" in wrong[0, "at"]
    assert "'soon'" in wrong[1, "at"]
    assert wrong[2, "kind"] == "is empty"
    assert chunk.frame.index.tolist() == [6]
    assert chunk.frame["weight"].tolist() == [1000.0]
    assert chunk.frame["size"].dtype == "int64"
    assert len(chunk.raw) == 7


def test_personal_values_are_not_shown(tmp_path: Path) -> None:
    chunk = one(csv(tmp_path, "age\nsecret\n"), (Field("age", "int", pii=True),))
    assert [failure.reason for failure in chunk.failures] == ["is not an integer"]


def test_floats_in_csv_are_parsed_exactly(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=2000) * 10.0 ** np.random.default_rng(1).integers(-300, 300, 2000)
    chunk = one(csv(tmp_path, "x\n" + "\n".join(map(repr, numbers.tolist()))), (Field("x", "float"),))
    assert (chunk.frame["x"].to_numpy() == numbers).all()


def test_parquet_is_read_as_the_same_table(tmp_path: Path) -> None:
    from_csv = one(csv(tmp_path, TEXT)).frame
    from_csv.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(one(tmp_path / "t.parquet").frame, from_csv, check_index_type=False)
    naive = from_csv.assign(at=from_csv["at"].dt.tz_convert("America/New_York").dt.tz_localize(None))
    naive.astype({"kind": "category"}).to_parquet(tmp_path / "n.parquet")
    pd.testing.assert_frame_equal(one(tmp_path / "n.parquet").frame, from_csv, check_index_type=False)


def test_a_parquet_column_of_another_type_is_an_error(tmp_path: Path) -> None:
    pd.DataFrame({"weight": ["heavy"]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(SourceError, match="'weight' is of type"):
        one(tmp_path / "t.parquet")


def test_a_null_in_a_required_parquet_column_is_a_failure(tmp_path: Path) -> None:
    pd.DataFrame({"size": pd.array([1, None, 3], dtype="Int64")}).to_parquet(tmp_path / "t.parquet")
    chunk = one(tmp_path / "t.parquet", (Field("size", "int"),))
    assert [(failure.row, failure.reason) for failure in chunk.failures] == [(1, "is empty")]
    assert chunk.frame["size"].tolist() == [1, 3]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_chunks_have_a_maximum_size_and_continuous_row_numbers(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"size": range(25)})
    path = tmp_path / f"t.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    chunks = list(read_chunks(path, (Field("size", "int"),), rows=10))
    assert [len(chunk.frame) for chunk in chunks] == [10, 10, 5]
    assert [index for chunk in chunks for index in chunk.frame.index] == list(range(25))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no file"):
        read_column_names(tmp_path / "nowhere.csv")
    with pytest.raises(SourceError, match=r"unsupported suffix. Use \.csv, .*\.parquet or \.pq"):
        read_column_names(tmp_path / "t.xlsx")
    with pytest.raises(EmptyDataError, match="is empty"):
        read_column_names(csv(tmp_path, ""))
    with pytest.raises(SourceError, match="'a' twice"):
        read_column_names(csv(tmp_path, "a,a\n"))
    with pytest.raises(SourceError, match="cannot be read"):
        read_column_names(csv(tmp_path, "this is text", "t.parquet"))


def test_rows_that_do_not_fit_the_header_are_failures(tmp_path: Path) -> None:
    wide = one(csv(tmp_path, "size,kind\n1,a,too,many\n2,b\n"))
    assert [(failure.row, failure.field) for failure in wide.failures] == [(0, None)]
    assert wide.frame["size"].tolist() == [2]
    (tmp_path / "l.csv").write_bytes(b"kind\n\xe9\nb\n")
    undecodable = one(tmp_path / "l.csv")
    assert [failure.reason[:15] for failure in undecodable.failures] == ["is not in UTF-8"]
    assert undecodable.frame["kind"].tolist() == ["b"]


def test_a_table_without_rows(tmp_path: Path) -> None:
    assert sum(len(chunk.frame) for chunk in read_chunks(csv(tmp_path, "size\n"), FIELDS)) == 0
    pd.DataFrame({"size": pd.Series([], dtype="int64")}).to_parquet(tmp_path / "t.parquet")
    assert sum(len(chunk.frame) for chunk in read_chunks(tmp_path / "t.parquet", FIELDS)) == 0
