"""A form made from a signature, and its answers in words; nothing here draws."""

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

_KINDS = {"bool": "switch", "int": "whole", "float": "number", "string": "text", "datetime": "moment"}
# What a probability means beside the usual one, where the project has no phrases of its own.
_PHRASES = (
    Phrase(below=0.5, words="Much less likely than usual", tone="good"),
    Phrase(below=0.8, words="Less likely than usual", tone="good"),
    Phrase(below=1.25, words="About as likely as usual", tone="fair"),
    Phrase(below=2.0, words="More likely than usual", tone="poor"),
    Phrase(below=float("inf"), words="Much more likely than usual", tone="bad"),
)


@dataclass(frozen=True)
class Widget:
    """One question of the form.

    Attributes
    ----------
    field
        The input that it asks for.
    kind
        `choice`, `text`, `whole`, `number`, `switch` or `moment`.
    label, help
        What a person reads.
    start
        What it shows first; None leaves it open.
    names
        What a choice is called, where it is not called by its value.
    """

    field: Field
    kind: str
    label: str
    help: str | None
    start: Any = None
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def zone(self) -> str:
        """The zone in which a moment is asked for."""
        return self.field.timezone or "UTC"

    def name_of(self, choice: str) -> str:
        """Return what a choice is called."""
        return f"{self.names[choice]} ({choice})" if choice in self.names else choice


def widgets(
    signature: Signature, *, example: Mapping[str, Any], names: Mapping[str, Mapping[str, str]]
) -> tuple[list[Widget], list[Widget]]:
    """Return the questions that must be answered, and those that may be left out.

    Parameters
    ----------
    example
        A record, from which the form starts.
    names
        For fields: what their values are called.
    """
    made = [_widget(one, example.get(one.name), names.get(one.name, {})) for one in signature.inputs]
    return [one for one in made if not one.field.optional], [one for one in made if one.field.optional]


def _widget(field: Field, example: Any, names: Mapping[str, str]) -> Widget:
    kind = "choice" if field.categories else _KINDS.get(field.dtype, "text")
    label = field.title or field.name.replace("_", " ").capitalize()
    start = None if field.optional else example
    if kind == "moment" and start is not None:
        start = datetime.fromisoformat(start).astimezone(ZoneInfo(field.timezone or "UTC"))
    return Widget(field, kind, f"{label} ({field.unit})" if field.unit else label, field.help or None, start, names)


def read_form(values: Mapping[str, Any], signature: Signature) -> dict[str, Any]:
    """Return the record that a form's answers mean: what is open is left out where it may be, else null.

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
        return _moment(day, hour, field)
    if isinstance(value, str):
        return value.strip() or None
    return float(value) if field.dtype == "float" and value is not None else value


def _moment(day: date | None, hour: clock | None, field: Field) -> str | None:
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
        How it compares with the usual.
    tone
        `good`, `fair`, `poor` or `bad`.
    often
        "about 3 in 8".
    usual
        The usual share, "24 %", where it is known.
    """

    share: str
    words: str
    tone: str
    often: str
    usual: str | None


def describe_risk(probability: float, *, usual: float | None, phrases: Sequence[Phrase] = ()) -> Risk:
    """Put a probability into words.

    Parameters
    ----------
    usual
        The share among all rows that the model was made with.
    phrases
        A project's own words for how many times the usual it is, in rising order.

    >>> risk = describe_risk(0.5, usual=0.24)
    >>> risk.words, risk.often
    ('Much more likely than usual', 'about 1 in 2')
    """
    ratio = None if not usual else probability / usual
    known = sorted(phrases or _PHRASES, key=lambda phrase: phrase.below)
    phrase = next((one for one in known if ratio is not None and ratio < one.below), known[-1])
    words, tone = (phrase.words, phrase.tone) if ratio is not None else ("", "fair")
    return Risk(_percent(probability), words, tone, _often(probability), None if usual is None else _percent(usual))


def _percent(share: float) -> str:
    if 0 < share < 0.01:
        return "under 1 %"
    return "over 99 %" if 0.99 < share < 1 else f"{share:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


def _often(probability: float) -> str:
    if probability < 0.01:
        return "fewer than 1 in 100"
    if probability > 0.99:
        return "nearly always"
    best = min(
        ((n, d) for d in (*range(2, 11), 20, 50, 100) for n in range(1, d)), key=lambda p: _distance(p, probability)
    )
    return f"about {best[0]} in {best[1]}"


def _distance(fraction: tuple[int, int], probability: float) -> tuple[bool, int, float]:
    away = abs(fraction[0] / fraction[1] - probability)
    near = away <= min(0.025, probability / 8, (1 - probability) / 8)
    # The simplest fraction that is near enough, else the nearest.
    return (not near, fraction[1] if near else 0, away)
