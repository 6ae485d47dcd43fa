"""What a model takes and gives: fields with types, limits and meaning.

The signature is the contract of a package. Rows are checked against it (`inputs`), forms and API
descriptions are made from it, and it is written to the package as `signature.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias
from zoneinfo import ZoneInfo

from ...errors import SignatureError
from .json_items import item_json, read_item

if TYPE_CHECKING:
    import pandas as pd

    from .columns import Column

__all__ = ["DTYPES", "Field", "Output", "Scalar", "Signature"]

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


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a model, and which input tells the time of a row.

    `outputs` may be left empty where a package is built: they are then made from the estimator.

    Examples
    --------
    >>> signature = Signature(inputs=(Field("age", "int", minimum=0), Field("seen", "datetime")), event_time="seen")
    >>> signature["age"].minimum
    0
    >>> signature.edit("age", unit="years").inputs[0].unit
    'years'
    >>> Signature.from_json(signature.to_json()) == signature
    True
    """

    inputs: tuple[Field, ...]
    outputs: tuple[Output, ...] = ()
    event_time: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", tuple(self.inputs))
        object.__setattr__(self, "outputs", tuple(self.outputs))
        names = self.names
        if not names:
            raise SignatureError("The signature has no inputs. List the fields that the model takes.")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SignatureError(f"The signature has the field '{twice[0]}' twice. Keep one.")
        if self.event_time is not None and (
            self.event_time not in names or self[self.event_time].dtype != "datetime" or self[self.event_time].nullable
        ):
            raise SignatureError(
                f"The event time '{self.event_time}' is not a field of dtype datetime that is never null. Name one, or none."
            )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(field.name for field in self.inputs)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Names of the inputs that identify a row."""
        return tuple(field.name for field in self.inputs if field.key)

    @cached_property
    def personal(self) -> tuple[str, ...]:
        """Names of the inputs that are personal data."""
        return tuple(field.name for field in self.inputs if field.pii)

    @cached_property
    def _fields(self) -> Mapping[str, Field]:
        return {field.name: field for field in self.inputs}

    def __getitem__(self, name: str) -> Field:
        if name in self._fields:
            return self._fields[name]
        raise SignatureError(f"The signature has no field '{name}'. Its fields: {', '.join(self.names)}.")

    def edit(self, name: str, **changes: Any) -> Signature:
        """Return a copy with some attributes of one field changed."""
        edited = replace(self[name], **changes)
        return replace(self, inputs=tuple(edited if field.name == name else field for field in self.inputs))

    def output(self, kind: str) -> Output | None:
        """Return the first output of a kind, or None."""
        return next((output for output in self.outputs if output.kind == kind), None)

    @cached_property
    def answers(self) -> dict[str, Output]:
        """Column of an answer -> output: the first output of a kind has the kind's name, others `<kind>.<name>`."""
        found: dict[str, Output] = {}
        for output in self.outputs:
            found[f"{output.kind}.{output.name}" if output.kind in found else output.kind] = output
        return found

    def to_json(self) -> dict[str, Any]:
        """Return what `signature.json` holds; attributes at their default are left out."""
        return {
            "event_time": self.event_time,
            "inputs": [item_json(field) for field in self.inputs],
            "outputs": [item_json(output) for output in self.outputs],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Signature:
        """Read what `to_json` returned.

        Raises
        ------
        SignatureError
            If the content is not a signature.
        """
        try:
            return cls(
                inputs=tuple(read_item(Field, item) for item in content["inputs"]),
                outputs=tuple(read_item(Output, item) for item in content["outputs"]),
                event_time=content["event_time"],
            )
        except KeyError as error:
            raise SignatureError(
                f"The signature cannot be read: it has no '{error.args[0]}'. Infer one anew."
            ) from error
        except TypeError as error:
            raise SignatureError(f"The signature cannot be read: {error}.") from error

    @classmethod
    def infer(
        cls,
        frame: pd.DataFrame | Column,
        *,
        event_time: str | None = None,
        keys: Sequence[str] = (),
        lookups: Mapping[str, Sequence[str]] | None = None,
        fields: Mapping[str, Mapping[str, Any]] | None = None,
        limits: bool = False,
    ) -> Signature:
        """Infer the inputs from the training frame; see `inference.infer`."""
        from .infer import infer

        return infer(frame, event_time=event_time, keys=keys, lookups=lookups or {}, fields=fields or {}, limits=limits)
