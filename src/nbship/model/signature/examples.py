"""An example record as a client sends it: for forms, the OpenAPI description and the README of a client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from .columns import is_null
from .fields import Field
from .signature import Signature

__all__ = ["example_record"]


def example_record(rows: Sequence[Mapping[str, Any]], signature: Signature) -> dict[str, Any]:
    """Return the first row without nulls, or else the first row; optional fields are left out.

    Parameters
    ----------
    rows
        At least one row of plain values; timestamps have a zone, or are in UTC.
    """
    fields = [field for field in signature.inputs if not field.optional]
    plain = [
        {field.name: _as_json(row.get(field.name), field) for field in fields if field.name in row} for row in rows
    ]
    return next((row for row in plain if None not in row.values()), plain[0])


def _as_json(value: Any, field: Field) -> Any:
    if is_null(value):
        return None
    if field.dtype == "datetime":
        zone = ZoneInfo(field.timezone or "UTC")
        if isinstance(value, str):
            return value
        return (value.replace(tzinfo=zone) if value.tzinfo is None else value.astimezone(zone)).isoformat()
    kinds = {"int": int, "float": float, "bool": bool}
    return kinds.get(field.dtype, str)(value)
