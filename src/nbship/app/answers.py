"""An answer belongs to the record that was asked: it repeats the record, and names what training never saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from ..model.build import Distribution
from .form import Widget, number_text, time_text

__all__ = ["Answer", "asked_values", "unseen_values"]


@dataclass(frozen=True)
class Answer:
    """A prediction, and the record that it was made from.

    Attributes
    ----------
    asked
        The record that was sent.
    prediction
        The response: id, model, version and outputs.
    """

    asked: Mapping[str, Any]
    prediction: Mapping[str, Any]


def asked_values(asked: Mapping[str, Any], widgets: Sequence[Widget]) -> list[tuple[str, str]]:
    """Return the label and the value of each field that was sent, in words."""
    return [
        (widget.label, _words(asked[widget.field.name], widget)) for widget in widgets if widget.field.name in asked
    ]


def _words(value: Any, widget: Widget) -> str:
    if value is None:
        return "not given"
    if widget.kind == "timestamp":
        return time_text(datetime.fromisoformat(value), widget.field)
    if widget.kind == "number":
        return number_text(value)
    return (
        widget.name_of(value)
        if widget.kind == "choice"
        else widget.name_of(bool(value))
        if widget.kind == "switch"
        else str(value)
    )


def unseen_values(
    asked: Mapping[str, Any], widgets: Sequence[Widget], reference: Mapping[str, Distribution]
) -> Iterator[str]:
    """Yield a sentence for each value that training never saw; free text and personal values cannot be compared.

    Parameters
    ----------
    reference
        The distributions in training.
    """
    for widget in widgets:
        name = widget.field.name
        like = reference.get(name)
        if name not in asked or like is None:
            continue
        value, words = asked[name], _words(asked[name], widget)
        if value is None:
            if not like.missing:
                yield f"{widget.label} was always given in training."
        elif like.kind == "category" and _category(value) not in (like.categories or ()):
            yield f"{widget.label}: '{words}' does not occur in the training data."
        elif (
            widget.field.dtype in ("int", "float") and (limits := _limits(like)) and not limits[0] <= value <= limits[1]
        ):
            low, high = map(number_text, limits)
            yield f"{widget.label}: {words} is outside the training data, which go from {low} to {high}."


def _category(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _limits(like: Distribution) -> tuple[float, float] | None:
    """Return the smallest and the largest value in training: the inner edges, of which the lower is exclusive.

    None for what was not counted in bins.
    """
    if like.edges is None or len(like.edges) < 4:
        return None
    return float(np.nextafter(like.edges[1], np.inf)), float(like.edges[-2])
