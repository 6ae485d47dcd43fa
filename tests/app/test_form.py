from __future__ import annotations

from datetime import date, time

import pytest
from signatures import EXAMPLE, SIGNATURE

from nbship.app.form import describe_risk, read_form, widgets
from nbship.project import Phrase


def test_every_field_has_a_widget_of_its_type() -> None:
    required, optional = widgets(SIGNATURE, example=EXAMPLE, names={"line": {"a": "Alpha"}})
    assert {widget.field.name: widget.kind for widget in required} == {
        "at": "timestamp", "sent": "timestamp", "line": "choice", "kind": "choice", "size": "integer", "note": "text", "new": "switch",
    }  # fmt: skip
    assert [(widget.field.name, widget.label, widget.start) for widget in optional] == [("weight", "Weight (kg)", None)]
    by_name = {widget.field.name: widget for widget in required}
    assert by_name["at"].start.hour == 8
    assert by_name["at"].zone == "America/New_York"
    assert by_name["line"].name_of("a") == "Alpha (a)"
    assert by_name["line"].name_of("b") == "b"
    assert by_name["size"].start == 3


def test_a_filled_form_becomes_a_record() -> None:
    values = {
        "at": (date(2024, 1, 2), time(8, 30)), "sent": (None, None), "line": "a", "kind": None, "size": 3,
        "weight": None, "note": "  ", "new": False,
    }  # fmt: skip
    assert read_form(values, SIGNATURE) == {
        "at": "2024-01-02T08:30:00-05:00", "sent": None, "line": "a", "kind": None, "size": 3, "note": None, "new": False,
    }  # fmt: skip
    assert read_form({**values, "weight": 2}, SIGNATURE)["weight"] == 2.0


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
