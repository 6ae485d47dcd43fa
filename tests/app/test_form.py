from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signatures import EXAMPLE, SIGNATURE

from nbship.app.form import number_text, read_form, time_text, widgets
from nbship.app.risks import describe_risk
from nbship.model import Field, Signature
from nbship.project import Phrase


def test_every_field_has_a_widget_of_its_type() -> None:
    required, optional = widgets(SIGNATURE, example=EXAMPLE, names={"line": {"a": "Alpha"}})
    assert {widget.field.name: widget.kind for widget in required} == {
        "at": "timestamp", "sent": "timestamp", "line": "choice", "kind": "choice", "size": "number", "note": "text", "new": "switch",
    }  # fmt: skip
    assert [(widget.field.name, widget.label, widget.start) for widget in optional] == [("weight", "Weight (kg)", None)]
    by_name = {widget.field.name: widget for widget in required}
    assert (by_name["at"].label, by_name["at"].start) == ("When (New York time)", "2024-07-01 08:00")
    assert by_name["line"].name_of("a") == "Alpha (a)"
    assert by_name["line"].name_of("b") == "b"
    assert by_name["size"].start == "3"
    assert by_name["size"].help == "From 1 to 9."
    assert by_name["line"].help == "Which line."


def test_a_filled_form_becomes_a_record() -> None:
    values = {
        "at": "2024-01-02 08:30", "sent": "", "line": "a", "kind": None, "size": "3",
        "weight": None, "note": "  ", "new": False,
    }  # fmt: skip
    record = {
        "at": "2024-01-02T08:30:00-05:00", "sent": None, "line": "a", "kind": None, "size": 3, "note": None, "new": False,
    }  # fmt: skip
    assert read_form(values, SIGNATURE) == (record, {})
    assert read_form({**values, "weight": "2"}, SIGNATURE) == (record | {"weight": 2.0}, {})


def test_what_cannot_be_read_is_left_out_with_its_reason() -> None:
    values = {"at": "2024-11-03 01:30", "sent": "2 January", "line": "a", "kind": "x", "size": "3.5", "weight": "2 kg"}
    record, failures = read_form(values, SIGNATURE)
    assert record == {"line": "a", "kind": "x", "note": None, "new": None}
    assert failures == {
        "at": "is '2024-11-03 01:30', which occurs twice, or never, in America/New_York: add an offset",
        "sent": "is '2 January', which is not a timestamp such as 2024-01-31 08:00",
        "size": "is '3.5', which is not an integer",
        "weight": "is '2 kg', which is not a number",
    }


@given(
    time=st.datetimes(datetime(1700, 1, 1), datetime(2500, 1, 1)),
    zone=st.sampled_from(["America/New_York", "Australia/Lord_Howe", "UTC", None]),
)
def test_the_text_of_a_timestamp_is_read_as_the_same_timestamp(time: datetime, zone: str | None) -> None:
    field = Field("at", "datetime", timezone=zone)
    text = time_text(time.replace(tzinfo=UTC), field)
    record, failures = read_form({"at": text}, Signature(inputs=(field,)))
    assert failures == {}
    assert abs(datetime.fromisoformat(record["at"]) - time.replace(tzinfo=UTC)) == timedelta(0)


@pytest.mark.parametrize("hour", range(24))
def test_both_hours_that_a_clock_shows_twice_are_told_apart(hour: int) -> None:
    field, time = Field("at", "datetime", timezone="America/New_York"), datetime(2024, 11, 3, hour, 30, tzinfo=UTC)
    text = time_text(time, field)
    assert text.endswith((":30", ":30:00-04:00", ":30:00-05:00"))
    assert datetime.fromisoformat(read_form({"at": text}, Signature(inputs=(field,)))[0]["at"]) == time


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1))
def test_the_text_of_a_number_is_read_as_the_same_number(number: float) -> None:
    assert type(number)(number_text(number)) == number


def test_a_personal_value_is_not_in_the_reason() -> None:
    signature = Signature(inputs=(Field("age", "int", pii=True),))
    assert read_form({"age": "forty"}, signature) == ({}, {"age": "is not an integer"})


def test_a_choice_is_sent_as_it_is_and_a_text_without_spaces_around_it() -> None:
    signature = Signature(inputs=(Field("code", "category", categories=(" a",)), Field("note", "string")))
    assert read_form({"code": " a", "note": " b "}, signature) == ({"code": " a", "note": "b"}, {})


def test_a_boolean_that_can_be_null_is_a_choice() -> None:
    (widget,), _ = widgets(Signature(inputs=(Field("new", "bool", nullable=True),)), example={"new": None}, names={})
    assert (widget.kind, widget.choices, widget.start) == ("choice", (True, False), None)
    assert [widget.name_of(choice) for choice in widget.choices] == ["Yes", "No"]


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (0.05, "Much less likely than usual"),
        (0.18, "Less likely than usual"),
        (0.25, "About as likely as usual"),
        (0.40, "More likely than usual"),
        (0.90, "Much more likely than usual"),
        (1.0, "Much more likely than usual"),
        (0.0, "Much less likely than usual"),
    ],
)
def test_a_risk_is_compared_with_the_baseline(probability: float, words: str) -> None:
    assert describe_risk(probability, baseline=0.25).words == words


def test_a_project_can_set_its_own_phrases() -> None:
    phrases = [Phrase(below=1.0, words="Calm", tone="good"), Phrase(below=99.0, words="Rough", tone="bad")]
    assert describe_risk(0.1, baseline=0.2, phrases=phrases).words == "Calm"
    assert describe_risk(0.3, baseline=0.2, phrases=phrases).words == "Rough"


@pytest.mark.parametrize(
    ("probability", "share", "frequency"),
    [
        (0.5, "50\N{NO-BREAK SPACE}%", "about 1 in 2"),
        (0.333, "33\N{NO-BREAK SPACE}%", "about 1 in 3"),
        (0.05, "5\N{NO-BREAK SPACE}%", "about 1 in 20"),
        (0.004, "under 1 %", "fewer than 1 in 100"),
        (0.995, "over 99 %", "more than 99 in 100"),
        (0.62, "62\N{NO-BREAK SPACE}%", "about 3 in 5"),
    ],
)
def test_a_risk_is_also_given_as_a_frequency(probability: float, share: str, frequency: str) -> None:
    risk = describe_risk(probability, baseline=None)
    assert (risk.share, risk.frequency) == (share, frequency)
