"""The form of a signature: its widgets, and the record that their values are. Nothing here depends on Streamlit.

Numbers and timestamps are written as text and read by the rules of CSV files, because the widgets for them show
another value than they hold: they round, drop decimals, and keep the last value where a new one is out of range.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ..model.signature import Field, Signature
from ..tabular import parse_csv_value

__all__ = ["EXAMPLE", "Widget", "number_text", "read_form", "time_text", "widgets"]

_KINDS = {"bool": "switch", "int": "number", "float": "number", "string": "text", "datetime": "timestamp"}
_BOOLEANS = {True: "Yes", False: "No"}
_FAR = 1e15
EXAMPLE = "2024-01-31 08:00"


@dataclass(frozen=True)
class Widget:
    """One widget of the form.

    Attributes
    ----------
    field
        The input.
    kind
        `choice`, `switch`, or what is written as text: `text`, `number`, `timestamp`.
    label, help
        The label and the help of the widget.
    start
        The initial value; None for an empty widget.
    choices
        The values of a choice.
    names
        Display names of choices.
    """

    field: Field
    kind: str
    label: str
    help: str | None
    start: Any = None
    choices: tuple[Any, ...] = ()
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def name_of(self, choice: Any) -> str:
        """Return the display name of a choice."""
        if isinstance(choice, bool):
            return _BOOLEANS[choice]
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
    # A switch has no third position for null.
    is_choice = bool(field.categories) or (field.dtype == "bool" and field.nullable)
    kind = "choice" if is_choice else _KINDS.get(field.dtype, "text")
    choices: tuple[Any, ...] = (field.categories or (True, False)) if is_choice else ()
    label = field.title or field.name.replace("_", " ").capitalize()
    unit = f"{_place(field)} time" if field.dtype == "datetime" else field.unit
    start = None if field.optional or example is None else _start(kind, field, example)
    help = " ".join(filter(None, (field.help, _limits(field)))) or None
    return Widget(field, kind, f"{label} ({unit})" if unit else label, help, start, choices, names)


def _start(kind: str, field: Field, example: Any) -> Any:
    if kind == "timestamp":
        return time_text(datetime.fromisoformat(example), field)
    return number_text(example) if kind == "number" else example


def time_text(time: datetime, field: Field) -> str:
    """Return a timestamp as text that is read as the same timestamp: on the clock of the field's time zone.

    >>> time_text(datetime.fromisoformat("2024-07-01T12:00Z"), Field("at", "datetime", timezone="America/New_York"))
    '2024-07-01 08:00'
    """
    local = time.astimezone(ZoneInfo(field.timezone or "UTC"))
    is_whole = not (local.second or local.microsecond)
    text = local.replace(tzinfo=None).isoformat(sep=" ", timespec="minutes" if is_whole else "auto")
    # The hour that occurs twice, when clocks are set back, needs its offset.
    return text if local.utcoffset() == local.replace(fold=1 - local.fold).utcoffset() else local.isoformat(sep=" ")


def _place(field: Field) -> str:
    return (field.timezone or "UTC").rpartition("/")[2].replace("_", " ")


def number_text(number: float) -> str:
    """Return a number as text that is read as the same number.

    >>> number_text(77.0), number_text(0.1 + 0.2), number_text(2**63 - 1)
    ('77', '0.30000000000000004', '9223372036854775807')
    """
    return str(int(number)) if number == int(number) and abs(number) <= 2**63 else repr(float(number))


def _limits(field: Field) -> str:
    if field.dtype not in ("int", "float", "datetime"):
        return ""
    # The limits of float32 say nothing to a reader.
    low, high = (
        None
        if isinstance(limit, float) and abs(limit) >= _FAR
        else number_text(limit)
        if isinstance(limit, (int, float))
        else limit
        for limit in (field.minimum, field.maximum)
    )
    if low is None or high is None:
        return f"From {low}." if low is not None else f"Up to {high}." if high is not None else ""
    return f"From {low} to {high}."


def read_form(values: Mapping[str, Any], signature: Signature) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the record of a filled form, and why fields cannot be read.

    An empty field is left out if it is optional, and null otherwise.

    >>> signature = Signature(inputs=(Field("a", "float"), Field("b", "float", nullable=True, optional=True)))
    >>> read_form({"a": "2.5", "b": None}, signature)
    ({'a': 2.5}, {})
    >>> read_form({"a": "many", "b": "1"}, signature)
    ({'b': 1.0}, {'a': "is 'many', which is not a number"})
    """
    row: dict[str, Any] = {}
    failures: dict[str, str] = {}
    for one in signature.inputs:
        value, reason = _read(values.get(one.name), one)
        if reason is not None:
            failures[one.name] = reason
        elif value is not None or not one.optional:
            row[one.name] = value
    return row, failures


def _read(value: Any, field: Field) -> tuple[Any, str | None]:
    if not isinstance(value, str) or field.categories:
        return value, None
    if field.dtype not in ("int", "float", "datetime"):
        return value.strip() or None, None
    zone = field.timezone or "UTC"
    found, reason = parse_csv_value(
        value, dataclasses.replace(field, timezone=zone) if field.dtype == "datetime" else field
    )
    if isinstance(found, datetime):
        try:
            return found.astimezone(ZoneInfo(zone)).isoformat(), None
        except OverflowError:
            return None, "is too early or too late"
    return found, reason and reason.replace("in ISO 8601", f"such as {EXAMPLE}")
