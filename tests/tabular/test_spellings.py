"""Small files as people have them: each value is read as its field says, or its row says what to write instead."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nbship.errors import EmptyDataError, SourceError
from nbship.model import Field
from nbship.tabular import read_chunks, read_column_names

NUMBER, NULLABLE = Field("x", "float"), Field("x", "float", nullable=True)
INTEGER = Field("x", "int")


def read(path: Path, field: Field) -> tuple[list[Any], dict[int | None, str]]:
    (chunk,) = read_chunks(path, [field])
    values = [None if isinstance(value, float) and math.isnan(value) else value for value in chunk.frame["x"]]
    return values, {failure.row: failure.reason for failure in chunk.failures}


LARGE = "is too large to be stored exactly"
NA = "is '{0}', which is not a number; if it means null, declare it, as in --null '{0}'"
COMMA = "is '{0}', which is not a number: write decimals with a point, and no separator of thousands"


@pytest.mark.parametrize(
    ("name", "text", "field", "values", "failures"),
    [
        ("whole_floats.csv", "x\n1.0\n2.0\n", INTEGER, [1, 2], {}),
        ("large.csv", f"x\n{2**53 + 1}\n{2**53 - 1}\n\n", Field("x", "int", nullable=True), [2**53 - 1], {0: f"is '{2**53 + 1}', which {LARGE}"}),
        ("blank_first_line.csv", "\nx\n1\n", NUMBER, [1], {}),
        ("blank_lines_of_dos.csv", "\r\n \r\nx\r\n1\r\n", NUMBER, [1], {}),
        ("blank_rows_of_a_spreadsheet.csv", ",,\n;,\nx,y,z\n1,2,3\n".replace(";,", ",,"), NUMBER, [1], {}),
        ("blank_rows_and_semicolons.csv", ";;\nx;y;z\n1;2;3\n", NUMBER, [1], {}),
        ("marked.csv", "\ufeff\nx\n1\n", NUMBER, [1], {}),
        ("semicolons.csv", "x;y\n1;2\n3;4\n", NUMBER, [1, 3], {}),
        ("decimal_commas.csv", "x;y\n1,5;2\n-1.000,5;2\n3;2\n", NUMBER, [3],
         {0: COMMA.format("1,5"), 1: "is '-1.000,5', which is not a number"}),
        ("blank_lines.jsonl", '{"x": 1}\n\n{"x": 2}\n \n\n', NUMBER, [1, 2], {}),
        ("blank_first_lines.jsonl", '\n\r\n{"x": 1}\n', NUMBER, [1], {}),
        ("list.jsonl", '[{"x": 1}, {"x": 2}]', NUMBER, [1, 2], {}),
        ("indented_list.ndjson", '\n[\n  {"x": 1},\n  {"x": 2}\n]\n', NUMBER, [1, 2], {}),
        ("first_line_is_wrong.jsonl", '{"x": }\n{"x": 2}\n', NUMBER, [2],
         {0: "cannot be read: The line is not JSON: Expecting value at line 1, column 7"}),
        ("ragged.csv", "x,y\n1,2\n3\n5,6\n", NUMBER, [1, 5], {1: "has 1 value, and the header 2 columns"}),
        ("NA.csv", "x\nNA\n1\nNaN\n", NULLABLE, [1], {0: NA.format("NA"), 2: NA.format("NaN")}),
        ("NA_where_null_is_not_allowed.csv", "x\nNA\n1\n", NUMBER, [1], {0: "is 'NA', which is not a number"}),
        ("Namibia.csv", "x\nNA\n", Field("x", "string", nullable=True), ["NA"], {}),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else None,
)  # fmt: skip
def test_a_text_file_is_read_as_its_fields_say(
    tmp_path: Path, name: str, text: str, field: Field, values: list[Any], failures: dict[int, str]
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    assert read(tmp_path / name, field) == (values, failures)


@pytest.mark.parametrize(
    ("column", "field", "values", "failures"),
    [
        (pa.array([2**53 + 1, 3, None]), Field("x", "int", nullable=True), [3, None], {0: LARGE}),
        (pa.array([2**53 + 1, 3]), INTEGER, [2**53 + 1, 3], {}),
        (pa.array([2**53 + 1, 3]), NUMBER, [float(2**53 + 1), 3], {}),
        (pa.array([1.0, 2.0]), INTEGER, [1, 2], {}),
        (pa.array([2**64 - 1, 3], pa.uint64()), INTEGER, [3], {0: LARGE}),
    ],
)
def test_numbers_of_parquet(
    tmp_path: Path, column: pa.Array, field: Field, values: list[Any], failures: dict[int, str]
) -> None:
    pq.write_table(pa.table({"x": column}), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet", field) == (values, failures)


FLAG, FLAG_OR_NULL = Field("x", "bool"), Field("x", "bool", nullable=True)
NEITHER = "is '{}', which is neither true nor false"


@pytest.mark.parametrize(
    "type", [pa.int8(), pa.uint8(), pa.int64(), pa.float32(), pa.float64(), pa.decimal128(5, 1)], ids=str
)
def test_booleans_may_be_stored_as_0_and_1(tmp_path: Path, type: pa.DataType) -> None:
    column = pa.array([1, 0, None, 2, 1], pa.float64()).cast(type)
    pq.write_table(pa.table({"x": column}), tmp_path / "t.parquet")
    neither = NEITHER.format(column[3].as_py())
    assert read(tmp_path / "t.parquet", FLAG) == ([True, False, True], {2: "is empty", 3: neither})
    assert read(tmp_path / "t.parquet", FLAG_OR_NULL) == ([1, 0, None, 1], {3: neither})
    (chunk,) = read_chunks(tmp_path / "t.parquet", [FLAG])
    assert chunk.frame["x"].dtype == "bool"
    (chunk,) = read_chunks(tmp_path / "t.parquet", [Field("x", "bool", pii=True)])
    assert [failure.reason for failure in chunk.failures] == ["is empty", "is neither true nor false"]


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("empty.csv", "", EmptyDataError, "'.*' is empty. The first line must hold the column names."),
        ("blank.csv", "\n,,\n \n", EmptyDataError, "'.*' is empty. The first line must hold the column names."),
        ("empty.json", "[]", EmptyDataError, "'.*' is empty. Write at least one record with the model's fields."),
        ("empty.jsonl", "\n\n", EmptyDataError, "'.*' is empty. Write at least one record with the model's fields."),
        ("numbers.jsonl", "1\n2\n", SourceError, "has no record in its first lines: the first is not an object"),
        ("lists.jsonl", "[1, 2]\n[3, 4]\n", SourceError, "the list of records does not end with the file"),
    ],
)
def test_a_file_without_rows_is_an_error(
    tmp_path: Path, name: str, text: str, error: type[Exception], message: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(error, match=message):
        read_column_names(tmp_path / name)
