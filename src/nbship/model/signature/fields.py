"""The fields and outputs of a model: types, limits and meaning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

from ...errors import SignatureError

__all__ = ["DTYPES", "Field", "Output", "Scalar"]

Scalar: TypeAlias = "bool | int | float | str"
DTYPES = ("bool", "int", "float", "string", "category", "datetime")


@dataclass(frozen=True)
class Field:
    """One input of a model.

    Attributes
    ----------
    name, dtype
        `dtype` is one of "bool", "int", "float", "string", "category", "datetime".
    nullable
        Whether null is an answer. Nullable whole numbers and truth values become float columns.
    minimum, maximum
        Limits, inclusive, enforced where given; of a datetime, ISO 8601 text with an offset.
    categories, open
        The known values of a category; others are refused unless `open`.
    optional, lookup
        Whether the field may be left out: it is then looked up in the lookup of that name, or null.
    key
        Whether the field is part of what identifies a row.
    pii
        Whether the value is personal: never echoed in messages, replaced in packaged rows, a pseudonym in the log.
        "drop" leaves it out of the log altogether.
    title, unit, help, example
        What a person reads in a form.
    timezone
        Of a datetime: the zone of values without an offset. Without it an offset is required.
    format
        Of a datetime: how text that is not ISO 8601 is written in files (`strptime` codes).

    Examples
    --------
    >>> Field("origin", "category", categories=("EWR", "JFK"), title="From").nullable
    False
    """

    name: str
    dtype: str
    nullable: bool = False
    minimum: Scalar | None = None
    maximum: Scalar | None = None
    categories: tuple[str, ...] | None = None
    open: bool = False
    optional: bool = False
    lookup: str | None = None
    key: bool = False
    pii: bool | str = False
    title: str = ""
    unit: str = ""
    help: str = ""
    example: Scalar | None = None
    timezone: str | None = None
    format: str | None = None

    def __post_init__(self) -> None:
        if self.categories is not None:
            object.__setattr__(self, "categories", tuple(self.categories))
        for wrong, remedy in _contradictions(self):
            if wrong:
                raise SignatureError(f"Field '{self.name}' {remedy}.")


def _contradictions(field: Field) -> Iterable[tuple[bool, str]]:
    yield not field.name, "has no name. Give it one"
    yield field.dtype not in DTYPES, f"has the unknown dtype '{field.dtype}'. Use one of {', '.join(DTYPES)}"
    yield (
        field.dtype == "category" and not field.categories and not field.open,
        "is a category without categories. List them, or say open=True",
    )
    yield (
        field.categories is not None and field.dtype != "category",
        f"lists categories but is of dtype '{field.dtype}'. Make it a category",
    )
    yield (
        field.optional and not field.nullable,
        "may be left out, but not be null. Say nullable=True: what is left out and not found is null",
    )
    yield (
        field.lookup is not None and not field.optional,
        f"comes from the lookup '{field.lookup}' but may not be left out. Say optional=True",
    )
    yield field.pii not in (False, True, "drop"), f"has the pii '{field.pii}'. Say true, false, or 'drop'"
    yield field.pii == "drop" and field.key, "is a key, by which records are found, and is to be dropped. Say pii=True"
    if field.dtype in ("int", "float"):
        for name in ("minimum", "maximum"):
            yield not _is_number(getattr(field, name)), f"has a {name} that is not a number"
    if field.dtype == "datetime":
        for name in ("minimum", "maximum"):
            yield _without_offset(getattr(field, name)), f"has a {name} that is not ISO 8601 text with an offset"
        yield _unknown_zone(field.timezone), f"names an unknown time zone '{field.timezone}'. Use an IANA name"


def _is_number(limit: Scalar | None) -> bool:
    return limit is None or (isinstance(limit, (int, float)) and not isinstance(limit, bool) and limit == limit)


def _without_offset(limit: Scalar | None) -> bool:
    if limit is None:
        return False
    try:
        return datetime.fromisoformat(str(limit)).tzinfo is None
    except ValueError:
        return True


def _unknown_zone(name: str | None) -> bool:
    try:
        return name is not None and ZoneInfo(name) is None
    except (OSError, ValueError, KeyError):
        return True


@dataclass(frozen=True)
class Output:
    """One output of a model.

    Attributes
    ----------
    kind
        "label" (a class), "probability" (of `positive`, or of the label where that is None) or
        "value" (a number).
    classes
        Of a label: the classes in the order of the estimator's `classes_`.
    positive
        Of a probability: the class that it speaks of.
    threshold
        Of a binary label: the least probability of the positive class for that class to be the
        label. None takes the likelier class.
    target
        Which of the model's targets it is of, from 0 on, where there are several.
    """

    name: str
    dtype: str
    kind: str
    classes: tuple[Scalar, ...] | None = None
    positive: Scalar | None = None
    threshold: float | None = None
    target: int = 0
    title: str = ""
    unit: str = ""
    help: str = ""

    def __post_init__(self) -> None:
        if self.classes is not None:
            object.__setattr__(self, "classes", tuple(self.classes))
        if self.kind not in ("label", "probability", "value"):
            raise SignatureError(
                f"Output '{self.name}' has the unknown kind '{self.kind}'. Use label, probability or value."
            )
