"""Personal values as the log stores them: pseudonyms, or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import SourceError
from ..model.signature import Field, Signature
from ..tabular import Source
from .keys import parse_value
from .records import BatchRun, pseudonym

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["is_redacted", "mark_redacted", "redacted", "redacted_fields", "store_rejected", "stored_fields"]

_MARK = b"nbship.redacted"


def redacted_fields(signature: Signature) -> Sequence[Field]:
    """Return the fields whose values the log does not store; the event time is stored, for windows."""
    return [field for field in signature.inputs if field.pii and field.name != signature.event_time]


def redacted(value: Any, field: Field, salt: bytes) -> Any:
    """Return pseudonyms in place of a personal value, and of the values in a list or an object; null stays null.

    >>> redacted([None, 40.0], Field("age", "int", pii=True), b"")[1] == redacted("40", Field("age", "int", pii=True), b"")
    True
    """
    if isinstance(value, Mapping):
        return [redacted(each, field, salt) for each in (*value, *value.values())]
    if isinstance(value, (list, tuple)):
        return [redacted(each, field, salt) for each in value]
    if value is None or value != value:
        return None
    try:
        return pseudonym(parse_value(value, field), salt)
    except ValueError:
        return pseudonym(value, salt)


def store_rejected(row: Mapping[str, Any], signature: Signature, *, salt: bytes) -> dict[str, Any]:
    """Return what the log stores of a row that was rejected: the values of known fields, as they were sent."""
    fields = [signature[name] for name in row if name in signature.names and signature[name].pii != "drop"]
    return {field.name: redacted(row[field.name], field, salt) if field.pii else row[field.name] for field in fields}


def mark_redacted(table: pa.Table, names: Iterable[str]) -> pa.Table:
    """Return a table that says in its metadata which fields hold pseudonyms, or were left out."""
    return table.replace_schema_metadata({_MARK: json.dumps(list(names))})


def is_redacted(run: BatchRun) -> bool:
    """Return whether the input of a batch run holds pseudonyms."""
    return bool(_redacted_names(run.input_path))


def stored_fields(path: str, signature: Signature) -> Sequence[Field]:
    """Return the inputs as fields with which a file of a batch run is read: pseudonyms are strings."""
    names = _redacted_names(path)
    return [
        replace(field, dtype="string", minimum=None, maximum=None, categories=None, nullable=True, optional=True)
        if field.name in names
        else field
        for field in signature.inputs
    ]


def _redacted_names(path: str) -> Sequence[str]:
    import pyarrow.parquet as pq

    try:
        source = Source.parse(path)
        if source.kind != "parquet":
            return ()
        metadata = pq.read_schema(source.files[0]).metadata or {}
    except (OSError, ValueError, SourceError):
        return ()
    names: Sequence[str] = json.loads(metadata.get(_MARK, b"[]"))
    return names
