from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from nbship.errors import SignatureError
from nbship.model import Field, Output, Signature


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


def test_json_keeps_all_and_says_little(frame: pd.DataFrame) -> None:
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
        ({"dtype": "datetime", "minimum": "2024-01-01"}, "ISO 8601 text with an offset"),
        ({"dtype": "datetime", "timezone": "New York"}, "unknown time zone 'New York'"),
    ],
)
def test_a_contradictory_field_is_refused(options: dict, message: str) -> None:
    with pytest.raises(SignatureError, match=message):
        Field("x", **options)


def test_a_contradictory_signature_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(SignatureError, match="no inputs"):
        Signature(())
    with pytest.raises(SignatureError, match="'a' twice"):
        Signature((Field("a", "int"), Field("a", "float")))
    with pytest.raises(SignatureError, match="event time 'count'"):
        Signature.infer(frame, event_time="count")
    with pytest.raises(SignatureError, match="no column 'nobody'"):
        Signature.infer(frame, keys=("nobody",))
    with pytest.raises(SignatureError, match="cannot be read"):
        Signature.from_json({"inputs": [{"name": "a", "dtype": "int", "colour": 1}], "outputs": [], "event_time": None})
    with pytest.raises(SignatureError, match="unknown kind 'colour'"):
        Output("a", "int", "colour")
