from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbship.errors import InvalidInputError, SignatureError
from nbship.model import Field, Signature
from nbship.model.signature import RecordReader, read_rows

FIELDS = (
    Field("start", "datetime", title="Start"),
    Field("end", "datetime", nullable=True),
    Field("low", "int"),
    Field("high", "float", nullable=True),
    Field("name", "string", nullable=True, optional=True),
)
SIGNS: dict[str, Callable[[Any, Any], bool]] = {"<": operator.lt, "<=": operator.le}
Rows = Sequence[dict[str, Any]]


def _records(signature: Signature, rows: Rows) -> set[tuple[int | None, str | None]]:
    try:
        read_rows(signature, rows)
    except InvalidInputError as error:
        return {(failure.row, failure.field) for failure in error.failures}
    return set()


def _frame(signature: Signature, rows: Rows) -> set[tuple[int | None, str | None]]:
    frame = pd.DataFrame(rows)
    for name in ("start", "end"):
        frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601").dt.as_unit("us")
    try:
        read_rows(signature, frame.astype({"low": "int64", "high": "float64"}))
    except InvalidInputError as error:
        return {(failure.row, failure.field) for failure in error.failures}
    return set()


def _one_by_one(signature: Signature, rows: Rows) -> set[tuple[int | None, str | None]]:
    """The fast record path leaves a record that breaks a relation to the full validation, and takes every other."""
    reader = RecordReader(signature)
    slow = [number for number, row in enumerate(rows) if reader.read(row) is None]
    return {(number, field) for number in slow for _, field in _records(signature, [rows[number]])}


times = st.builds(
    lambda minutes, zone: datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=zone))) + timedelta(minutes=minutes),
    st.integers(-200, 200),
    st.integers(-3, 3),
)
numbers = st.integers(-3, 3)
drawn = st.lists(st.tuples(times, st.none() | times, numbers, st.none() | numbers.map(float)), min_size=1, max_size=6)


@pytest.mark.parametrize("read", [_records, _frame, _one_by_one])
@pytest.mark.parametrize("sign", SIGNS)
@given(values=drawn)
def test_a_row_is_valid_if_its_relations_hold(read: Any, sign: str, values: list[Any]) -> None:
    signature = Signature(inputs=FIELDS, relations=[f"start {sign} end", f"low{sign}high"])
    rows = [
        {"start": start.isoformat(), "end": end and end.isoformat(), "low": low, "high": high}
        for start, end, low, high in values
    ]
    holds = SIGNS[sign]
    expected = {(row, "end") for row, (start, end, _, _) in enumerate(values) if end and not holds(start, end)}
    expected |= {
        (row, "high") for row, (*_, low, high) in enumerate(values) if high is not None and not holds(low, high)
    }
    assert read(signature, rows) == expected


@pytest.mark.parametrize(
    ("relation", "row", "reason"),
    [
        ("start < end", {"end": "2024-01-01T00:00Z"}, "is not after 'start'"),
        ("start <= end", {"end": "2023-12-31T23:59Z"}, "is before 'start'"),
        ("low < high", {"high": 3.0}, "is not above 'low'"),
        ("low <= high", {"high": 2.5}, "is below 'low'"),
    ],
)
def test_the_reason_names_the_other_field_and_no_value(relation: str, row: dict[str, Any], reason: str) -> None:
    signature = Signature(inputs=FIELDS, relations=[relation])
    whole = {"start": "2024-01-01T00:00Z", "end": None, "low": 3, "high": None} | row
    with pytest.raises(InvalidInputError, match=f"{reason}$|{reason}[.]") as caught:
        read_rows(signature, [whole])
    assert caught.value.failures[0].reason == reason


@pytest.mark.parametrize(
    ("relation", "message"),
    [
        ("start > end", "'start > end' is not a relation. Write it as 'start < end' or 'start <= end'"),
        ("start <", "is not a relation"),
        ("start < ends", "names 'ends', which is not a field of the signature. Did you mean 'end'?"),
        ("name < end", "'name' is of dtype 'string' and 'end' is of dtype 'datetime'. Compare two numbers or two"),
        ("low < end", "Compare two numbers or two timestamps"),
        ("start < end < low", "names 'end < low', which is not a field"),
    ],
)
def test_a_mistake_in_a_relation_is_an_error_of_one_sentence(relation: str, message: str) -> None:
    with pytest.raises(SignatureError, match=message.replace("?", "[?]")):
        Signature(inputs=FIELDS, relations=[relation])


def test_a_signature_keeps_its_relations_and_one_without_has_none_in_its_file() -> None:
    signature = Signature(inputs=FIELDS, relations=["start < end"])
    assert signature.to_json()["relations"] == ["start < end"]
    assert Signature.from_json(signature.to_json()) == signature
    assert signature.edit("low", minimum=0).relations == ("start < end",)
    assert "relations" not in Signature(inputs=FIELDS).to_json()
