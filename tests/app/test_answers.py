from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nbship.app.answers import asked_values, unseen_values
from nbship.app.form import widgets
from nbship.model import Field, Signature
from nbship.model.build.reference import describe

SIGNATURE = Signature(
    inputs=(
        Field("size", "int", title="Size"),
        Field("weight", "float", nullable=True, title="Weight", unit="kg"),
        Field("shop", "category", categories=("north", "south"), open=True, nullable=True, title="Shop"),
        Field("new", "bool", title="New"),
        Field("note", "string", title="Note"),
        Field("owner", "category", categories=("Ann",), open=True, pii=True, title="Owner"),
        Field("at", "datetime", timezone="America/New_York", title="When"),
        Field("speed", "float", nullable=True, optional=True, title="Speed"),
    )
)
TRAINING: dict[str, Any] = {
    "size": np.arange(2, 900),
    "weight": np.array([0.1 + 0.2, np.nan, 7.5]),
    "shop": np.array(["north", "north"], dtype=object),
    "new": np.array([True, True]),
    "note": np.array(["a"], dtype=object),
    "owner": np.array(["Ann"], dtype=object),
    "speed": np.array([np.nan]),
}
ASKED: dict[str, Any] = {
    "size": 2, "weight": 0.1 + 0.2, "shop": "north", "new": True, "note": "a", "owner": "Ann",
    "at": "2024-07-01T08:30:00-04:00",
}  # fmt: skip


def _unseen(**changes: Any) -> list[str]:
    required, optional = widgets(SIGNATURE, example={}, names={"shop": {"south": "South Bank"}})
    reference = describe(TRAINING, SIGNATURE, outputs={}).fields
    return list(unseen_values({**ASKED, **changes}, [*required, *optional], reference))


@pytest.mark.parametrize(
    "changes",
    [{}, {"size": 899}, {"weight": 7.5}, {"weight": None}, {"note": "never seen"}, {"owner": "Bob"}, {"speed": 80.0}],
)
def test_what_training_saw_or_cannot_be_compared_is_not_named(changes: dict[str, Any]) -> None:
    assert _unseen(**changes) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"size": 1}, "Size: 1 is outside the training data, which go from 2 to 899."),
        ({"size": 900}, "Size: 900 is outside the training data, which go from 2 to 899."),
        ({"weight": 0.3}, "Weight (kg): 0.3 is outside the training data, which go from 0.30000000000000004 to 7.5."),
        ({"shop": "east"}, "Shop: 'east' does not occur in the training data."),
        ({"shop": "south"}, "Shop: 'South Bank (south)' does not occur in the training data."),
        ({"shop": None}, "Shop was always given in training."),
        ({"new": False}, "New: 'No' does not occur in the training data."),
    ],
)
def test_what_training_never_saw_is_named(changes: dict[str, Any], sentence: str) -> None:
    assert _unseen(**changes) == [sentence]


def test_times_are_not_compared() -> None:
    """The reference counts hours of timestamps, not the timestamps."""
    signature = Signature(
        inputs=(Field("at", "datetime", timezone="UTC"), Field("due", "datetime", timezone="UTC")), event_time="at"
    )
    times = np.datetime64("2024-05-01", "us") + np.arange(400) * np.timedelta64(97, "m")
    training = {"at": times, "due": times + np.arange(400) % 7 * np.timedelta64(1, "h")}
    required, optional = widgets(signature, example={}, names={})
    asked = {"at": "2031-05-01T08:30:00Z", "due": "1999-05-01T08:30:00Z"}
    reference = describe(training, signature, outputs={}).fields
    assert {"at", "due"} <= set(reference)
    assert list(unseen_values(asked, [*required, *optional], reference)) == []


def test_what_was_asked_is_repeated_in_words() -> None:
    required, optional = widgets(SIGNATURE, example={}, names={})
    assert asked_values(ASKED | {"shop": None}, [*required, *optional]) == [
        ("Size", "2"), ("Weight (kg)", "0.30000000000000004"), ("Shop", "not given"), ("New", "Yes"), ("Note", "a"),
        ("Owner", "Ann"), ("When (New York time)", "2024-07-01 08:30"),
    ]  # fmt: skip
