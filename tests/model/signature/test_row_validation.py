from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nbship.errors import InvalidInputError
from nbship.model import Field, Signature
from nbship.model.signature.validation import read_rows

SIGNATURE = Signature(
    (
        Field("flag", "bool"),
        Field("maybe", "bool", nullable=True),
        Field("count", "int", minimum=0, maximum=10),
        Field("stops", "int", nullable=True),
        Field("many", "int"),
        Field("price", "float", nullable=True),
        Field("size", "float"),
        Field("kind", "category", categories=("a", "b")),
        Field("any", "category", categories=("a",), open=True),
        Field("name", "string", pii=True),
        Field("at", "datetime", timezone="America/New_York", minimum="2000-01-01T00:00+00:00"),
        Field("exact", "datetime", nullable=True),
        Field("extra", "float", nullable=True, optional=True),
    )
)
GOOD: dict[str, Any] = {
    "flag": True, "maybe": None, "count": 3, "stops": None, "many": 2**53 - 1, "price": None, "size": 2, "kind": "a", "any": "z", "name": "Ann",
    "at": "2024-07-01T08:00:00", "exact": "2024-07-01T08:00:00+02:00", "extra": 1.5,
}  # fmt: skip


def wrong(rows: Any) -> list[tuple[int | None, str | None]]:
    with pytest.raises(InvalidInputError) as caught:
        read_rows(SIGNATURE, rows)
    return [(failure.row, failure.field) for failure in caught.value.failures]


def test_records_become_typed_columns() -> None:
    columns = read_rows(SIGNATURE, [GOOD]).columns
    assert {name: column.dtype.str for name, column in columns.items()} == {
        "flag": "|b1", "maybe": "<f8", "count": "<i8", "stops": "<f8", "many": "<i8", "price": "<f8", "size": "<f8",
        "kind": "|O", "any": "|O", "name": "|O", "at": "<M8[us]", "exact": "<M8[us]", "extra": "<f8",
    }  # fmt: skip
    assert str(columns["at"][0]) == "2024-07-01T12:00:00.000000"
    assert str(columns["exact"][0]) == "2024-07-01T06:00:00.000000"
    assert math.isnan(columns["maybe"][0])


def test_records_and_frames_become_the_same_columns() -> None:
    records = [GOOD, {**GOOD, "maybe": True, "stops": 4, "price": 0.1, "exact": None, "kind": "b"}] * 3
    frame = pd.DataFrame(records).assign(
        at=lambda f: pd.to_datetime(f["at"]).dt.tz_localize("America/New_York"),
        exact=lambda f: pd.to_datetime(f["exact"], utc=True),
    )
    from_records, from_frame = (read_rows(SIGNATURE, rows).columns for rows in (records, frame))
    for name, column in from_records.items():
        assert column.dtype == from_frame[name].dtype
        same = (
            column.tolist() == from_frame[name].tolist()
            if column.dtype == object
            else column.tobytes() == from_frame[name].tobytes()
        )
        assert same, name


def test_a_frame_from_records_with_nulls_is_valid() -> None:
    frame = pd.DataFrame([GOOD, {**GOOD, "stops": 2}])
    assert read_rows(SIGNATURE, frame).columns["stops"][1] == 2.0
    typed = frame.assign(stops=pd.array([None, 2], dtype="Int64"), kind=pd.Categorical(["a", "b"]))
    assert read_rows(SIGNATURE, typed).columns["kind"].tolist() == ["a", "b"]


def test_booleans_with_nulls_may_be_floats_as_they_are_read_from_files() -> None:
    frame = pd.DataFrame([GOOD] * 3).assign(maybe=[1.0, np.nan, 0.0])
    assert read_rows(SIGNATURE, frame).columns["maybe"].tobytes() == np.array([1.0, np.nan, 0.0]).tobytes()
    assert wrong(frame.assign(maybe=[0.5, np.nan, np.nan])) == [(0, "maybe")]
    assert wrong(frame.assign(maybe=[np.nan] * 3, flag=[1.0, 1.0, 0.0])) == [(row, "flag") for row in range(3)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flag", 1), ("flag", "true"), ("flag", None),
        ("count", True), ("count", "3"), ("count", 3.5), ("count", -1), ("count", 11), ("count", None), ("count", 2**70),
        ("stops", 1.5), ("stops", math.inf), ("stops", 2**53), ("stops", 2**53 + 1), ("stops", -(2**53)), ("many", 2**53), ("many", 2.0**53),
        ("size", math.nan), ("size", math.inf), ("size", -math.inf), ("size", "2"), ("size", True), ("size", [1]), ("size", 10**400),
        ("price", math.inf), ("kind", "A"), ("kind", 1), ("kind", math.nan), ("any", {}), ("name", 5), ("name", "\ud800"),
        ("at", "2024-03-10T02:30:00"), ("at", "2024-11-03T01:30:00"), ("at", "1999-01-01T00:00"), ("at", "noon"), ("at", 1720000000),
        ("exact", "2024-07-01T08:00:00"), ("exact", ""), ("exact", math.nan),
    ],
)  # fmt: skip
def test_an_invalid_value_is_rejected(field: str, value: Any) -> None:
    assert wrong([GOOD, {**GOOD, field: value}]) == [(1, field)]


@pytest.mark.parametrize(
    "column", [np.array([1, 2**53 + 1]), pd.array([1, 2**53 + 1], dtype="Int64"), np.array([1.0, 2.0**53])]
)
@pytest.mark.parametrize("field", ["stops", "many"])
def test_an_integer_in_a_frame_is_exact_or_rejected_with_its_row(field: str, column: Any) -> None:
    if field == "many" and getattr(column.dtype, "kind", "") == "f":
        column = column.astype(np.int64)
    frame = pd.DataFrame([GOOD, GOOD]).assign(**{field: column})
    assert wrong(frame) == [(1, field)]


def test_large_floats_are_read_as_columns() -> None:
    frame = pd.DataFrame([GOOD, GOOD]).assign(price=[1e300, -1e300])
    assert read_rows(SIGNATURE, frame).columns["price"].tolist() == [1e300, -1e300]


def test_an_ambiguous_time_needs_an_offset() -> None:
    for offset, hour in (("-04:00", 5), ("-05:00", 6)):
        columns = read_rows(SIGNATURE, [{**GOOD, "at": f"2024-11-03T01:30:00{offset}"}]).columns
        assert columns["at"][0] == np.datetime64(f"2024-11-03T0{hour}:30", "us")
    moment = datetime(2024, 11, 3, 1, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert read_rows(SIGNATURE, [{**GOOD, "at": moment}]).columns["at"][0] == np.datetime64("2024-11-03T06:30", "us")


def test_every_invalid_field_of_every_row_is_named_at_once() -> None:
    broken = {**GOOD, "flag": None, "size": "x", "colour": 1}
    del broken["kind"]
    assert set(wrong([broken, GOOD, {**GOOD, "count": -1}])) == {
        (0, "flag"),
        (0, "size"),
        (0, "colour"),
        (0, "kind"),
        (2, "count"),
    }
    assert wrong([]) == [(None, None)]
    assert wrong([GOOD, 5]) == [(1, None)]
    frame = pd.DataFrame([GOOD, {**GOOD, "count": -1, "kind": "q"}])
    assert set(wrong(frame)) == {(1, "count"), (1, "kind")}
    assert set(wrong(frame.drop(columns="size").assign(colour=1))) == {(None, "size"), (None, "colour")}
    assert wrong(frame.head(0)) == [(None, None)]


def test_messages_suggest_names_and_hide_personal_values() -> None:
    with pytest.raises(InvalidInputError, match="did you mean 'count'"):
        read_rows(SIGNATURE, [{**GOOD, "cuont": 3}])
    with pytest.raises(InvalidInputError) as caught:
        read_rows(SIGNATURE, [{**GOOD, "name": 4711}])
    assert "4711" not in str(caught.value)


def test_an_absent_field_is_not_the_same_as_null() -> None:
    without = {name: value for name, value in GOOD.items() if name != "extra"}
    rows = read_rows(SIGNATURE, [GOOD, without, {**GOOD, "extra": None}])
    assert rows.absent["extra"].tolist() == [False, True, False]
    assert np.isnan(rows.columns["extra"]).tolist() == [False, True, True]
    assert read_rows(SIGNATURE, pd.DataFrame([without])).absent["extra"].tolist() == [True]
