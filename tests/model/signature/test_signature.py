from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nbship.errors import SignatureError
from nbship.model import Field, Output, Signature
from nbship.model.signature.validation import read_rows


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "at": pd.date_range("2024-01-01", periods=4, tz="UTC", unit="us"),
            "count": [1, 2, 3, 4],
            "stops": pd.array([1, None, 2, 3], dtype="Int64"),
            "price": [1.5, np.nan, 2.5, 3.0],
            "new": [True, False, True, True],
            "kind": ["b", "a", "b", "b"],
            "name": ["w", "x", "y", None],
        }
    )


def test_fields_are_inferred_and_completed(frame: pd.DataFrame) -> None:
    signature = Signature.infer(
        frame, event_time="at", keys=("name",), lookups={"prices": ("price",)},
        fields={"name": {"dtype": "string", "pii": True}, "count": {"minimum": 0, "unit": "pieces"}},
    )  # fmt: skip
    assert [field.dtype for field in signature.inputs] == [
        "datetime",
        "int",
        "int",
        "float",
        "bool",
        "category",
        "string",
    ]
    assert [field.name for field in signature.inputs if field.nullable] == ["stops", "price", "name"]
    assert signature.keys == ("name",)
    assert signature["price"].lookup == "prices"
    assert signature["price"].optional
    assert signature["kind"].categories == ("a", "b")
    assert signature["kind"].example == "b"
    assert signature["name"].example is None
    assert signature["count"].unit == "pieces"


def test_limits_are_inferred_on_request(frame: pd.DataFrame) -> None:
    assert all(field.minimum is None for field in Signature.infer(frame).inputs)
    signature = Signature.infer(frame, limits=True, fields={"price": {"maximum": 10.0}})
    assert [(field.name, field.minimum, field.maximum) for field in signature.inputs if field.minimum is not None] == [
        ("count", 1, 4), ("stops", 1, 3), ("price", 1.5, 10.0),
    ]  # fmt: skip


def test_time_zones_and_formats_are_inferred() -> None:
    frame = pd.DataFrame(
        {
            "local": pd.date_range("2024-01-01", periods=3, tz="Europe/Berlin", unit="us"),
            "utc": pd.date_range("2024-01-01", periods=3, tz="UTC", unit="us"),
            "day": ["01/02/2024", None, "28/02/2024"],
            "iso": ["2024-01-31T08:00:00+01:00"] * 3,
        }
    )
    texts = {"dtype": "datetime", "timezone": "Europe/Berlin"}
    signature = Signature.infer(frame, fields={"day": texts, "iso": {"dtype": "datetime"}})
    assert [field.timezone for field in signature.inputs] == ["Europe/Berlin", None, "Europe/Berlin", None]
    assert [field.format for field in signature.inputs] == [None, None, "%d/%m/%Y", None]
    assert signature["day"].nullable
    columns = read_rows(signature, frame).columns
    assert str(columns["day"][2]) == "2024-02-27T23:00:00.000000"


@pytest.mark.parametrize(
    ("values", "stated", "message"),
    [
        (pd.date_range("2024-01-01", periods=2), {}, "timestamps without a time zone.*Europe/Berlin.*tz_localize"),
        (["01/02/2024", "03/04/2024"], {"dtype": "datetime"}, "fit both %d/%m/%Y and %m/%d/%Y"),
        (["noon", "1.2.2024"], {"dtype": "datetime"}, "not all written in one format"),
    ],
)
def test_an_ambiguous_time_column_is_an_error(values: Any, stated: dict, message: str) -> None:
    with pytest.raises(SignatureError, match=message):
        Signature.infer(pd.DataFrame({"at": values}), fields={"at": stated})
    given = {"dtype": "datetime", "timezone": "UTC", "format": "%d/%m/%Y"}
    assert Signature.infer(pd.DataFrame({"at": values}), fields={"at": given})["at"].timezone == "UTC"


def test_json_is_complete_without_default_values(frame: pd.DataFrame) -> None:
    signature = Signature(
        inputs=Signature.infer(frame, event_time="at").inputs,
        outputs=(Output("late", "bool", "label", classes=(False, True), threshold=0.4),),
        event_time="at",
    )
    content = json.loads(json.dumps(signature.to_json()))
    assert Signature.from_json(content) == signature
    assert content["inputs"][1] == {
        "name": "count", "dtype": "int", "title": "Count", "unit": "", "help": "", "example": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "text"}, "unknown dtype 'text'"),
        ({"dtype": "category"}, "without categories"),
        ({"dtype": "int", "categories": ("a",)}, "lists categories"),
        ({"dtype": "int", "optional": True}, "nullable=True"),
        ({"dtype": "int", "nullable": True, "lookup": "x"}, "optional=True"),
        ({"dtype": "float", "minimum": "0"}, "'x' has a minimum that is not a number"),
        ({"dtype": "datetime", "minimum": "2024-01-01"}, "ISO 8601 timestamp with an offset"),
        ({"dtype": "datetime", "timezone": "New York"}, "unknown time zone 'New York'"),
    ],
)
def test_a_contradictory_field_is_an_error(options: dict, message: str) -> None:
    with pytest.raises(SignatureError, match=message):
        Field("x", **options)


def test_a_contradictory_signature_is_an_error(frame: pd.DataFrame) -> None:
    with pytest.raises(SignatureError, match="no inputs"):
        Signature(())
    with pytest.raises(SignatureError, match="'a' twice"):
        Signature((Field("a", "int"), Field("a", "float")))
    with pytest.raises(SignatureError, match="event time 'count'"):
        Signature.infer(frame, event_time="count")
    with pytest.raises(SignatureError, match="no column 'nobody'"):
        Signature.infer(frame, keys=("nobody",))
    with pytest.raises(SignatureError, match=r"unknown attribute 'colour'. Use one of name"):
        Signature.from_json({"inputs": [{"name": "a", "dtype": "int", "colour": 1}], "outputs": [], "event_time": None})
    with pytest.raises(SignatureError, match=r"Field 'a' has the unknown attribute 'units'. Did you mean 'unit'"):
        Signature.from_json(
            {"inputs": [{"name": "a", "dtype": "int", "units": "€"}], "outputs": [], "event_time": None}
        )
    with pytest.raises(SignatureError, match=r"Field 'a' cannot be read: .*`dtype`"):
        Signature.from_json({"inputs": [{"name": "a"}], "outputs": [], "event_time": None})
    with pytest.raises(SignatureError, match="missing required field `outputs`"):
        Signature.from_json({"inputs": []})
    with pytest.raises(SignatureError, match="unknown kind 'colour'"):
        Output("a", "int", "colour")
