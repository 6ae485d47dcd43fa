"""The form of a signature, and predictions in words. Nothing here depends on Streamlit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from datetime import time as clock
from typing import Any
from zoneinfo import ZoneInfo

from ..model.signature import Field, Signature
from ..project import Phrase

__all__ = ["Risk", "Widget", "describe_risk", "read_form", "widgets"]

_KINDS = {"bool": "switch", "int": "integer", "float": "number", "string": "text", "datetime": "timestamp"}
# Words for a probability relative to the baseline, unless the project has phrases of its own.
_PHRASES = (
    Phrase(below=0.5, words="Much less likely than usual", tone="good"),
    Phrase(below=0.8, words="Less likely than usual", tone="good"),
    Phrase(below=1.25, words="About as likely as usual", tone="fair"),
    Phrase(below=2.0, words="More likely than usual", tone="poor"),
    Phrase(below=float("inf"), words="Much more likely than usual", tone="bad"),
)


@dataclass(frozen=True)
class Widget:
    """One widget of the form.

    Attributes
    ----------
    field
        The input.
    kind
        `choice`, `text`, `integer`, `number`, `switch` or `timestamp`.
    label, help
        The label and the help of the widget.
    start
        The initial value; None for an empty widget.
    names
        Display names of choices.
    """

    field: Field
    kind: str
    label: str
    help: str | None
    start: Any = None
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def zone(self) -> str:
        """The time zone of a timestamp."""
        return self.field.timezone or "UTC"

    def name_of(self, choice: str) -> str:
        """Return the display name of a choice."""
        return f"{self.names[choice]} ({choice})" if choice in self.names else choice


def widgets(
    signature: Signature, *, example: Mapping[str, Any], names: Mapping[str, Mapping[str, str]]
) -> tuple[list[Widget], list[Widget]]:
    """Return the widgets of the required fields, and those of the optional fields.

    Parameters
    ----------
    example
        A record with the initial values.
    names
        Display names of values: field -> value -> name.
    """
    every = [_widget(field, example.get(field.name), names.get(field.name, {})) for field in signature.inputs]
    return [each for each in every if not each.field.optional], [each for each in every if each.field.optional]


def _widget(field: Field, example: Any, names: Mapping[str, str]) -> Widget:
    kind = "choice" if field.categories else _KINDS.get(field.dtype, "text")
    label = field.title or field.name.replace("_", " ").capitalize()
    start = None if field.optional else example
    if kind == "timestamp" and start is not None:
        start = datetime.fromisoformat(start).astimezone(ZoneInfo(field.timezone or "UTC"))
    return Widget(field, kind, f"{label} ({field.unit})" if field.unit else label, field.help or None, start, names)


def read_form(values: Mapping[str, Any], signature: Signature) -> dict[str, Any]:
    """Return the record of a filled form; an empty field is left out if it is optional, and null otherwise.

    >>> signature = Signature(inputs=(Field("a", "float"), Field("b", "float", nullable=True, optional=True)))
    >>> read_form({"a": None, "b": None}, signature)
    {'a': None}
    """
    row = {}
    for one in signature.inputs:
        value = _plain(values.get(one.name), one)
        if value is not None or not one.optional:
            row[one.name] = value
    return row


def _plain(value: Any, field: Field) -> Any:
    if isinstance(value, tuple):
        day, hour = value
        return _timestamp(day, hour, field)
    if isinstance(value, str):
        return value.strip() or None
    return float(value) if field.dtype == "float" and value is not None else value


def _timestamp(day: date | None, hour: clock | None, field: Field) -> str | None:
    if day is None or hour is None:
        return None
    return datetime.combine(day, hour, tzinfo=ZoneInfo(field.timezone or "UTC")).isoformat()


@dataclass(frozen=True)
class Risk:
    """A probability in words.

    Attributes
    ----------
    share
        "37 %".
    words
        The comparison with the baseline.
    tone
        `good`, `fair`, `poor` or `bad`.
    frequency
        "about 3 in 8".
    baseline
        The baseline, "24 %", if it is known.
    """

    share: str
    words: str
    tone: str
    frequency: str
    baseline: str | None


def describe_risk(probability: float, *, baseline: float | None, phrases: Sequence[Phrase] = ()) -> Risk:
    """Describe a probability in words.

    Parameters
    ----------
    baseline
        The share of positives in the training data.
    phrases
        The project's own words, by the ratio of probability and baseline.

    >>> risk = describe_risk(0.5, baseline=0.24)
    >>> risk.words, risk.frequency
    ('Much more likely than usual', 'about 1 in 2')
    """
    ratio = None if not baseline else probability / baseline
    known = sorted(phrases or _PHRASES, key=lambda phrase: phrase.below)
    phrase = next((one for one in known if ratio is not None and ratio < one.below), known[-1])
    words, tone = (phrase.words, phrase.tone) if ratio is not None else ("", "fair")
    return Risk(
        _percent(probability), words, tone, _frequency(probability), None if baseline is None else _percent(baseline)
    )


def _percent(share: float) -> str:
    if 0 < share < 0.01:
        return "under 1 %"
    return "over 99 %" if 0.99 < share < 1 else f"{share:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


def _frequency(probability: float) -> str:
    if probability < 0.01:
        return "fewer than 1 in 100"
    if probability > 0.99:
        return "more than 99 in 100"
    best = min(
        ((n, d) for d in (*range(2, 11), 20, 50, 100) for n in range(1, d)), key=lambda p: _distance(p, probability)
    )
    return f"about {best[0]} in {best[1]}"


def _distance(fraction: tuple[int, int], probability: float) -> tuple[bool, int, float]:
    away = abs(fraction[0] / fraction[1] - probability)
    near = away <= min(0.025, probability / 8, (1 - probability) / 8)
    # Prefer the smallest denominator that is near enough, else the nearest fraction.
    return (not near, fraction[1] if near else 0, away)
