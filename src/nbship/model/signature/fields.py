"""The fields and outputs of a model: types, limits and meaning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

from ...errors import SignatureError

__all__ = ["DTYPES", "Field", "Output", "Scalar"]

Scalar: TypeAlias = bool | int | float | str
DTYPES = ("bool", "int", "float", "string", "category", "datetime")


@dataclass(frozen=True)
class Field:
    """One input of a model.

    Attributes
    ----------
    name, dtype
        `dtype` is one of "bool", "int", "float", "string", "category", "datetime".
    nullable
        Whether null is allowed. Nullable integers and booleans become float columns.
    minimum, maximum
        Inclusive limits; those of a datetime are ISO 8601 strings with an offset.
    categories, open
        The known values of a category; other values are rejected unless `open`.
    optional, lookup
        Whether the field may be left out: its value then comes from the lookup of this name, or is null.
    key
        Whether the field is part of the key that identifies a row.
    pii
        Whether the value is personal data: messages never show it, golden rows hold a replacement, and the prediction
        log a pseudonym. "drop" keeps it out of the log altogether.
    title, unit, help, example
        Shown in forms and in the OpenAPI description.
    timezone
        Of a datetime: the time zone of values without an offset. If None, an offset is required.
    format
        Of a datetime: the `strptime` format of values in files that are not ISO 8601.
    training_dtype
        The pandas dtype of the column in the training frame, such as "float32", "Int64" or "category". None: the
        NumPy dtype of `dtype`; `object` for strings, and timestamps in UTC.
    training_null
        How a column of objects in the training frame spells null: "nan", "NA", or None.
    training_categories
        The categories of a categorical column in the training frame, in its order.

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
    training_dtype: str | None = None
    training_null: str | None = None
    training_categories: tuple[Scalar, ...] | None = None

    def __post_init__(self) -> None:
        # Lists are accepted as well, but a field must be hashable.
        for name in ("categories", "training_categories"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(getattr(self, name)))
        for wrong, remedy in _contradictions(self):
            if wrong:
                raise SignatureError(f"Field '{self.name}' {remedy}.")


def _contradictions(field: Field) -> Iterable[tuple[bool, str]]:
    yield not field.name, "has no name. Give it one"
    yield field.dtype not in DTYPES, f"has the unknown dtype '{field.dtype}'. Use one of {', '.join(DTYPES)}"
    yield (
        field.dtype == "category" and not field.categories and not field.open,
        "is a category without categories. List them, or set open=True",
    )
    yield (
        field.categories is not None and field.dtype != "category",
        f"lists categories but is of dtype '{field.dtype}'. Make it a category",
    )
    yield (
        field.optional and not field.nullable,
        "is optional but not nullable. Set nullable=True: a value that is left out and not looked up is null",
    )
    yield (
        field.lookup is not None and not field.optional,
        f"comes from the lookup '{field.lookup}' but is not optional. Set optional=True",
    )
    yield (
        field.pii not in (False, True, "drop"),
        f"has the unknown pii setting '{field.pii}'. Use true, false or 'drop'",
    )
    yield (
        field.pii == "drop" and field.key,
        "is a key and has pii='drop', but the log finds records by their key. Set pii=True, which logs a pseudonym",
    )
    yield (
        field.training_null not in (None, "nan", "NA"),
        f"has the unknown training_null '{field.training_null}'. Use 'nan', 'NA' or None",
    )
    if field.dtype in ("int", "float"):
        for name in ("minimum", "maximum"):
            yield not _is_number(getattr(field, name)), f"has a {name} that is not a number"
    if field.dtype == "datetime":
        for name in ("minimum", "maximum"):
            yield (
                _without_offset(getattr(field, name)),
                f"has a {name} that is not an ISO 8601 timestamp with an offset",
            )
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
        "label" (a class), "probability" (of `positive`, or of the predicted label if that is None) or "value" (a
        number).
    classes
        Of a label: the classes, in the order of the estimator's `classes_`.
    positive
        Of a probability: its class.
    threshold
        Of a binary label: the smallest probability of the positive class at which it is the label. None: the class
        with the larger probability is the label.
    target
        Index of the target, for a model with several targets.
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
        if self.target < 0:
            raise SignatureError(f"Output '{self.name}' has the target {self.target}. Count targets from 0.")
