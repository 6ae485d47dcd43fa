"""The inputs and outputs of a model: fields with types, limits and meaning.

The signature is the contract of a package. Rows are validated by it, forms and OpenAPI descriptions are generated
from it, and the package stores it as `signature.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from ...errors import SignatureError
from .fields import Field, Output
from .json_items import item_json, read_item
from .relations import Relation, read_relation

if TYPE_CHECKING:
    import pandas as pd

    from .columns import Column

__all__ = ["Signature"]


@dataclass(frozen=True)
class _Stored:
    """The content of `signature.json`."""

    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    event_time: str | None
    relations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a model, and the name of the input that is the event time of a row.

    `outputs` may be empty when a package is built: they are then inferred from the estimator. `relations` compare two
    fields, as in "start < end"; a row that breaks one is rejected, as is a value beyond the limits of its field.

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
    relations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Lists are accepted as well, but a signature must be hashable, as a key of caches.
        object.__setattr__(self, "inputs", tuple(self.inputs))
        object.__setattr__(self, "outputs", tuple(self.outputs))
        object.__setattr__(self, "relations", tuple(self.relations))
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
                f"The event time '{self.event_time}' is not a field of dtype 'datetime' that is not nullable. Name such a field, or leave event_time out."
            )
        _ = self.rules  # A mistake is an error here, and not when the first row is validated.

    @cached_property
    def rules(self) -> tuple[Relation, ...]:
        """The relations, parsed."""
        return tuple(read_relation(text, self.inputs) for text in self.relations)

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
    def output_columns(self) -> dict[str, Output]:
        """Column -> output: the first output of a kind has the column `<kind>`, further ones `<kind>.<name>`."""
        found: dict[str, Output] = {}
        for output in self.outputs:
            found[f"{output.kind}.{output.name}" if output.kind in found else output.kind] = output
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the content of `signature.json`, without attributes that have their default value."""
        return {
            "event_time": self.event_time,
            "inputs": [item_json(field) for field in self.inputs],
            "outputs": [item_json(output) for output in self.outputs],
            **({"relations": list(self.relations)} if self.relations else {}),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Signature:
        """Read the content of `signature.json`.

        Raises
        ------
        SignatureError
            If the content is not a signature.
        """
        try:
            stored = msgspec.convert(content, _Stored)
        except msgspec.ValidationError as error:
            raise SignatureError(f"The signature cannot be read: {error}. Infer it again.") from error
        return cls(
            inputs=tuple(read_item(Field, item) for item in stored.inputs),
            outputs=tuple(read_item(Output, item) for item in stored.outputs),
            event_time=stored.event_time,
            relations=stored.relations,
        )

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
        relations: Sequence[str] = (),
    ) -> Signature:
        """Infer the inputs from the training frame; see `infer_fields`."""
        from .infer import infer_fields

        inputs = infer_fields(frame, keys=keys, lookups=lookups or {}, fields=fields or {}, limits=limits)
        return cls(inputs=inputs, event_time=event_time, relations=tuple(relations))
