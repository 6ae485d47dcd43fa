"""A Parquet column of any type is read, or named in one sentence, in every field and beside the fields."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from packages import make_rows

from nbship import predictor
from nbship.errors import InvalidInputError, SourceError
from nbship.inference import predict_file
from nbship.prediction_log import SqlLog, open_log

COUNT = 3
FIRST = make_rows(COUNT, seed=5)["line"][0]


def of(values: list[Any], *types: pa.DataType) -> dict[str, pa.Array]:
    return {str(type): pa.array(values, type) for type in types if can_write(type)}


def can_write(type: pa.DataType) -> bool:
    """Return whether this version of Arrow writes a type: the oldest that nbship supports writes no views."""
    try:
        pq.ParquetWriter(pa.BufferOutputStream(), pa.schema([("values", type)])).close()
    except pa.ArrowNotImplementedError:
        return False
    return True


def can_read(array: pa.Array) -> bool:
    """Return whether this version of Arrow reads what it wrote: some do not, with a null in a list of fixed size."""
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table({"values": array}), buffer)
    try:
        pq.read_table(buffer.getvalue())
    except pa.ArrowInvalid:
        return False
    return True


def coded(*values: Any) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int32()), pa.array(values))


TEXTS = of(["a", "b", None], pa.string(), pa.large_string(), pa.string_view()) | of(
    [b"a", b"b", None], pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(1)
)
TEXTS |= {"strings coded": coded("a", "b"), "bytes coded": coded(b"a", b"b")}
TEXTS |= {"JSON": pa.ExtensionArray.from_storage(pa.json_(), pa.array(["a", "b", None]))}
NUMBERS = of([1, 2, None], pa.int8(), pa.uint8(), pa.int32(), pa.uint64(), pa.float32(), pa.float64())
NUMBERS |= of(
    [Decimal(1), Decimal(2), None], pa.decimal32(5, 2), pa.decimal64(9, 1), pa.decimal128(20), pa.decimal256(50, 2)
)
NUMBERS |= {"float16": pa.array([1.0, 2.0, None], pa.float32()).cast(pa.float16()), "numbers coded": coded(1, 2)}
NUMBERS |= {"bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8()))}
NOON = datetime(2024, 1, 1, 12)
TIMES = of(
    [NOON, NOON, None],
    pa.timestamp("s"),
    pa.timestamp("ms"),
    pa.timestamp("us", "UTC"),
    pa.timestamp("ns", "Asia/Tokyo"),
) | of([NOON.date(), NOON.date(), None], pa.date32(), pa.date64())
OTHERS: dict[str, pa.Array] = {
    "null": pa.nulls(COUNT),
    "bool": pa.array([True, False, None]),
    "bytes that are not UTF-8": pa.array([b"a", b"\xff", None]),
    "large bytes that are not UTF-8": pa.array([b"a", b"\xff", None], pa.large_binary()),
    "UUID": pa.array([b"0" * 16, b"\xff" * 16, None], pa.uuid()),
    "list": pa.array([[1], [2, 3], None]),
    "list of views": pa.array([["a"], ["b"], None], pa.list_(pa.string_view())),
    "list view": pa.array([["a"], ["b"], None], pa.list_view(pa.string())),
    "fixed list": pa.array([[1, 2], [3, 4], None], pa.list_(pa.int64(), 2)),
    "struct of views": pa.array([{"a": "1"}, {"a": "2"}, None], pa.struct([("a", pa.string_view())])),
    "map": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int64())),
    **of([time(1), time(2), None], pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
    **of([1, 2, None], pa.duration("s"), pa.duration("ns")),
}
OTHERS = {name: array for name, array in OTHERS.items() if can_write(array.type) and can_read(array)}
TYPES = TEXTS | NUMBERS | TIMES | OTHERS
FITTING = {"line": TEXTS, "weight": NUMBERS, "size": NUMBERS, "at": TIMES, "extra": TYPES}


@pytest.fixture(scope="module")
def predict(tmp_path_factory: pytest.TempPathFactory, small_package: Path) -> Any:
    folder = tmp_path_factory.mktemp("types")
    loaded = predictor.load(small_package)
    with open_log(folder / "log.sqlite") as log:
        yield _runner(loaded, log, folder)


def _runner(loaded: Any, log: SqlLog, folder: Path) -> Callable[[pa.Table, str], tuple[Path, Any]]:
    def run(table: pa.Table, kind: str) -> tuple[Path, Any]:
        pq.write_table(table, folder / "in.parquet")
        target = folder / f"out.{kind}"
        return target, predict_file(loaded, log, source=folder / "in.parquet", target=target, ignore_extra=True)

    return run


def table(name: str, column: pa.Array, *, wrong: tuple[int, ...]) -> pa.Table:
    """Return rows with one column of another type; those that are `wrong` are rejected by another column."""
    rows = make_rows(COUNT, seed=5).drop(columns=["limit", "grade"])
    other, value = ("line", "z") if name == "size" else ("size", 99)
    rows.loc[list(wrong), other] = value
    given = pa.Table.from_pandas(rows.assign(extra=""), preserve_index=False)
    return given.set_column(given.column_names.index(name), name, column)


def records(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    text = path.read_text(encoding="utf-8")
    return [*map(json.loads, text.splitlines())] if path.suffix == ".jsonl" else [*csv.DictReader(text.splitlines())]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("name", FITTING)
def test_every_type_that_fits_is_read(predict: Any, name: str, kind: str) -> None:
    for type, column in FITTING[name].items():
        target, summary = predict(table(name, column, wrong=(1, 2)), kind)
        assert summary.run.rows == 1, type
        (output,) = records(target)
        assert output["line"] == (FIRST if name != "line" else "a"), type
        rejected = records(summary.rejected_path)
        assert [row["row"] for row in rejected] == ["1", "2"], type


@pytest.mark.parametrize("name", FITTING)
def test_every_other_type_is_one_sentence_or_a_reason(predict: Any, name: str) -> None:
    for type in TYPES.keys() - FITTING[name].keys():
        found = reasons(predict, table(name, TYPES[type], wrong=()))
        assert found or type == "null", type
        assert all(name in reason for reason in found), type


def reasons(predict: Any, given: pa.Table) -> list[str]:
    """Return why a run failed, or why it rejected rows."""
    try:
        _, summary = predict(given, "csv")
    except (SourceError, InvalidInputError) as error:
        return [str(error)]
    return [row["reason"] for row in records(summary.rejected_path)] if summary.run.rejected else []


def test_values_of_rejected_rows_are_shown(predict: Any) -> None:
    shown = {
        "string_view": "b", "large_binary": "b", "list of views": "['b']", "bytes that are not UTF-8": "\N{REPLACEMENT CHARACTER}",
        "decimal32(5, 2)": "2.00", "JSON": "b",
    }  # fmt: skip
    for type, text in shown.items():
        if type not in TYPES:
            continue
        _, summary = predict(table("extra", TYPES[type], wrong=(1, 2)), "csv")
        assert [row["extra"] for row in records(summary.rejected_path)] == [text, ""], type
