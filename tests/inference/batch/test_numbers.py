"""Integers in every spelling and from every source are the same integers, or rejected alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from packages import build_small, make_rows

from nbship import predictor
from nbship.errors import InvalidInputError
from nbship.inference import Logged, predict_file, replay
from nbship.model import Field, Signature
from nbship.model.signature.fast_record import RecordReader
from nbship.model.signature.validation import read_rows
from nbship.prediction_log import SqlLog, open_log
from nbship.predictor import PackagePredictor
from nbship.tabular import parse_csv_value, parse_json, read_chunks

BIG = 2**63 - 1


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small package, whose key also has an integer of 64 bits."""
    return build_small(
        tmp_path_factory.mktemp("models"), name="keyed", fields=[Field("id", "int", key=True, example=BIG)]
    )


@pytest.fixture
def loaded(package: Path) -> PackagePredictor:
    return predictor.load(package)


@pytest.fixture
def log(tmp_path: Path) -> Any:
    with open_log(tmp_path / "state" / "log.sqlite") as log:
        yield log


def rows(count: int = 20) -> pd.DataFrame:
    return make_rows(count, seed=9).drop(columns=["limit", "grade"]).assign(id=[BIG - n for n in range(count)])


FIELDS = {
    "plain": Field("n", "int"),
    "null": Field("n", "int", nullable=True),
    "key": Field("n", "int", key=True),
    "null key": Field("n", "int", key=True, nullable=True),
}


def from_csv(field: Field, value: Any, folder: Path) -> Any:
    (folder / "t.csv").write_text(f"n\n{value}\n")
    return only(folder / "t.csv", field)


def from_lines(field: Field, value: Any, folder: Path) -> Any:
    (folder / "t.jsonl").write_text(f'{{"n": {value}}}\n')
    return only(folder / "t.jsonl", field)


def from_parquet(field: Field, value: Any, folder: Path) -> Any:
    pq.write_table(pa.table({"n": pa.array([value])}), folder / "t.parquet")
    return only(folder / "t.parquet", field)


def from_record(field: Field, value: Any, folder: Path) -> Any:
    return validated(field, [parse_json(f'{{"n": {value}}}'.encode())])


def from_fast_record(field: Field, value: Any, folder: Path) -> Any:
    found = RecordReader(Signature((field,))).read({"n": value})
    return None if found is None else found[0][0]


def from_frame(field: Field, value: Any, folder: Path) -> Any:
    return validated(field, pd.DataFrame({"n": [value]}))


def from_nullable_frame(field: Field, value: Any, folder: Path) -> Any:
    dtype = "Int64" if isinstance(value, int) else "Float64"
    return validated(field, pd.DataFrame({"n": pd.array([value], dtype=dtype)}))


def only(path: Path, field: Field) -> Any:
    (chunk,) = read_chunks(path, [field])
    return None if chunk.failures else validated(field, chunk.frame)


def validated(field: Field, given: Any) -> Any:
    try:
        return read_rows(Signature((field,)), given).columns["n"][0]
    except InvalidInputError:
        return None


SOURCES: dict[str, Callable[[Field, Any, Path], Any]] = {
    name.removeprefix("from_"): function for name, function in list(globals().items()) if name.startswith("from_")
}
EXACT, LARGE = 2**53 - 1, 2**53 + 1
ACCEPTED = {
    "plain": [0, -3, 3.0, -0.0, 1e3, EXACT, float(EXACT)],
    "null": [0, -3, 3.0, 1e3, EXACT, float(EXACT)],
    "key": [0, -3, 3.0, 1e3, EXACT, LARGE, BIG, -BIG],
    "null key": [0, -3, 3.0, EXACT],
}
REJECTED = {
    "plain": [3.5, 1e-9, LARGE, BIG, 2.0**53, 1e300],
    "null": [3.5, LARGE, BIG, 2.0**53, 1e300],
    "key": [3.5, 2.0**53, -(2.0**53), float(LARGE + 2), 2.0**62, 1e300],
    "null key": [3.5, LARGE, 2.0**53, 1e300],
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("kind", FIELDS)
def test_every_source_takes_the_same_integers(tmp_path: Path, source: str, kind: str) -> None:
    read = SOURCES[source]
    for value in ACCEPTED[kind]:
        found = read(FIELDS[kind], value, tmp_path)
        assert found is not None, value
        assert int(found) == int(value), value
    for value in REJECTED[kind]:
        assert read(FIELDS[kind], value, tmp_path) is None, value


@pytest.mark.parametrize("text", ["3", "3.0", "3.", "+3", "3e0", "30e-1", " 3 "])
def test_integers_in_csv(text: str) -> None:
    assert parse_csv_value(text, Field("n", "int")) == (3, None)


@pytest.mark.parametrize("text", ["3.5", "0x3", "1_000", "3e-1", "1e999999999", "9223372036854775808", "three", "٣x"])
def test_what_is_not_an_integer_in_csv(text: str) -> None:
    assert parse_csv_value(text, Field("n", "int"))[0] is None


@pytest.mark.parametrize("target", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("source", ["csv", "jsonl", "parquet"])
def test_keys_of_64_bits_stay_exact(
    tmp_path: Path, log: SqlLog, loaded: PackagePredictor, source: str, target: str
) -> None:
    given = rows()
    path = tmp_path / f"in.{source}"
    if source == "parquet":
        given.to_parquet(path, index=False)
    elif source == "csv":
        given.to_csv(path, index=False)
    else:
        given.to_json(path, orient="records", lines=True, date_format="iso")
    run = predict_file(loaded, log, source=path, target=tmp_path / f"out.{target}").run
    assert (run.rows, run.rejected) == (20, 0)
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet, "jsonl": lambda path: pd.DataFrame(map(json.loads, path.read_text().splitlines()))}  # fmt: skip
    output = read[target](tmp_path / f"out.{target}")
    assert output["id"].tolist() == given["id"].tolist()
    found = replay(log, output["prediction_id"][3], predictor=loaded)
    assert found.same
    assert json.loads(found.inputs)["id"] == BIG - 3


@pytest.mark.parametrize("target", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("type", [pa.float64(), pa.decimal128(25, 2), pa.int64()])
def test_keys_of_other_types_are_written_as_integers(
    tmp_path: Path, log: SqlLog, loaded: PackagePredictor, target: str, type: pa.DataType
) -> None:
    ids = [Decimal(each) for each in (3, EXACT, LARGE, BIG)][: 2 if type == pa.float64() else 4]
    given = pa.Table.from_pandas(rows(len(ids)).drop(columns="id"), preserve_index=False)
    column = pa.array([float(id) if type == pa.float64() else id for id in ids], type)
    pq.write_table(given.append_column("id", column), tmp_path / "in.parquet")
    predict_file(loaded, log, source=tmp_path / "in.parquet", target=tmp_path / f"out.{target}")
    if target == "parquet":
        found = map(str, pq.read_table(tmp_path / "out.parquet")["id"].to_pylist())
    else:
        separator = ',"id":' if target == "jsonl" else ","
        lines = (tmp_path / f"out.{target}").read_text().splitlines()[target == "csv" :]
        found = [line.split(separator)[1 if target == "jsonl" else 2].partition(",")[0] for line in lines]
    assert list(found) == [str(int(id)) for id in ids]


def test_keys_of_64_bits_in_requests(log: SqlLog, loaded: PackagePredictor) -> None:
    online = Logged(loaded, log)
    record = {"at": "2024-01-01T00:00:00Z", "line": "a", "size": 3.0, "weight": None, "id": BIG}
    (answer,) = online.respond([record])
    log.flush()
    assert f'"id":{BIG}' in (log.find(answer["id"]).keys or "")
    assert answer["probability"] == loaded.predict([{**record, "size": 3}]).probability[0]
    assert replay(log, answer["id"], predictor=loaded).same


def test_whole_floats_in_files_get_the_predictions_of_integers(
    tmp_path: Path, log: SqlLog, loaded: PackagePredictor
) -> None:
    given = rows()
    expected = loaded.predict(given).probability.tolist()
    floats = given.assign(size=given["size"].astype("float64"))
    assert loaded.predict(floats).probability.tolist() == expected
    floats.loc[4, "size"] = 2.5
    floats.to_parquet(tmp_path / "in.parquet", index=False)
    run = predict_file(loaded, log, source=tmp_path / "in.parquet", target=tmp_path / "out.parquet").run
    assert (run.rows, run.rejected) == (19, 1)
    assert "size: is '2.5', which is not an integer" in (tmp_path / "out.parquet.rejected.csv").read_text()
    output = pd.read_parquet(tmp_path / "out.parquet")["probability"].tolist()
    assert output == expected[:4] + expected[5:]


def test_types_that_spark_writes(tmp_path: Path) -> None:
    noon = datetime(2024, 7, 1, 12, tzinfo=UTC)
    table = pa.table(
        {
            "price": pa.array([Decimal("19.90"), None], pa.decimal128(10, 2)),
            "count": pa.array([Decimal(3), Decimal(4)], pa.decimal128(20, 0)),
            "id": pa.array([Decimal(BIG), Decimal(-5)], pa.decimal128(38, 0)),
            "day": pa.array([date(2024, 7, 1), date(2024, 1, 1)], pa.date32()),
            "when": pa.array([noon, noon], pa.timestamp("us", tz="UTC")),
            "text": pa.array([date(2024, 7, 1), None], pa.date32()),
            "bytes": pa.array([b"a", b"b"], pa.binary()),
            "at": pa.array(["a", "b"]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet", use_deprecated_int96_timestamps=True)
    assert pq.ParquetFile(tmp_path / "t.parquet").schema.column(4).physical_type == "INT96"
    fields = [
        Field("price", "float", nullable=True), Field("count", "int"), Field("id", "int", key=True),
        Field("day", "datetime", timezone="America/New_York"), Field("when", "datetime"), Field("text", "string", nullable=True),
        Field("bytes", "category", categories=("a", "b")),
    ]  # fmt: skip
    (chunk,) = read_chunks(tmp_path / "t.parquet", fields)
    assert chunk.failures == ()
    frame = chunk.frame
    assert frame["price"].tolist()[0] == 19.9
    assert np.isnan(frame["price"][1])
    assert frame["count"].tolist() == [3, 4]
    assert frame["id"].tolist() == [BIG, -5]
    assert frame["day"].tolist() == [pd.Timestamp("2024-07-01T04:00Z"), pd.Timestamp("2024-01-01T05:00Z")]
    assert frame["when"].tolist() == [pd.Timestamp(noon)] * 2
    assert frame["text"].tolist() == ["2024-07-01", None]
    assert frame["bytes"].tolist() == ["a", "b"]


def test_int96_in_the_far_future(tmp_path: Path) -> None:
    late = datetime(2900, 1, 1, tzinfo=UTC)
    buffer = pa.table({"at": pa.array([late], pa.timestamp("us"))})
    pq.write_table(buffer, tmp_path / "t.parquet", use_deprecated_int96_timestamps=True)
    (chunk,) = read_chunks(tmp_path / "t.parquet", [Field("at", "datetime")])
    assert chunk.frame["at"].tolist() == [pd.Timestamp(late)]
