"""Rows as the log stores them: key columns to join on, the event time, inputs to replay.

A row's key is the same JSON text whether it came from REST, a form or a file: timestamps in UTC, numbers in the type
of their field, personal values as pseudonyms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from ..model.signature import Field, Signature, parse_timestamp, read_timestamp
from .records import is_pseudonym, pseudonym

__all__ = ["StoredRow", "key_value", "keys_of", "parse_value", "store_row", "to_utc"]

_LARGEST_EXPONENT = 308  # of a float


class StoredRow(NamedTuple):
    """A valid row as a record stores it; the attributes are those of `Record`."""

    inputs: str
    keys: str | None
    event_time: datetime | None
    event_zone: str | None
    redacted: tuple[str, ...]


def store_row(row: Mapping[str, Any], signature: Signature, *, salt: bytes) -> StoredRow:
    """Return what the log stores of a valid row."""
    personal = tuple(name for name in signature.personal if row.get(name) is not None) if signature.personal else ()
    inputs = row
    # Most clients send the fields in the order of the signature: such a row is encoded as it is.
    if personal or type(row) is not dict or tuple(row) != signature.names:
        inputs = _stored_inputs(row, signature, personal, salt)
    event_time, zone = None, None
    if signature.event_time is not None:
        field = signature[signature.event_time]
        event_time, zone = to_utc(row[field.name], field), _zone(row[field.name], field)
    return StoredRow(_text(inputs), keys_of(row, signature, salt=salt), event_time, zone, personal)


def _stored_inputs(
    row: Mapping[str, Any], signature: Signature, personal: Sequence[str], salt: bytes
) -> Mapping[str, Any]:
    inputs = {name: row[name] for name in signature.names if name in row}
    for name in personal:
        if signature[name].pii == "drop":
            del inputs[name]
        else:
            inputs[name] = pseudonym(_plain(row[name], signature[name]), salt)
    return inputs


def keys_of(row: Mapping[str, Any], signature: Signature, *, salt: bytes) -> str | None:
    """Return the key columns of a row as JSON, or None if the model has none.

    >>> signature = Signature(inputs=(Field("at", "datetime", key=True), Field("size", "float")))
    >>> keys_of({"at": "2024-07-01T08:00:00-04:00", "size": 1.0}, signature, salt=b"")
    '{"at":"2024-07-01T12:00:00Z"}'
    """
    if not signature.keys:
        return None
    return _text({name: key_value(row.get(name), signature[name], salt) for name in signature.keys})


def parse_value(value: object, field: Field) -> Any:
    """Return the canonical value of a field from any spelling, such as text or what a rejected request sent.

    Raises
    ------
    ValueError
        If it is not a value of this field. The message is the reason, without the value.

    >>> parse_value("3", Field("size", "int")), parse_value(3.0, Field("size", "int"))
    (3, 3)
    >>> parse_value("2024-07-01T08:00:00-04:00", Field("at", "datetime")).isoformat()
    '2024-07-01T12:00:00+00:00'
    """
    if not isinstance(value, (str, int, float, datetime)) or (isinstance(value, bool) and field.dtype != "bool"):
        raise ValueError(f"is not of type {field.dtype}")
    if field.dtype == "bool":
        if (text := str(value).lower()) not in ("true", "false"):
            raise ValueError("is not a boolean; use true or false")
        return text == "true"
    if field.dtype in ("int", "float"):
        return _parse_number(str(value), field)
    try:
        return (
            to_utc(value if isinstance(value, datetime) else str(value), field)
            if field.dtype == "datetime"
            else str(value)
        )
    except OverflowError as error:
        raise ValueError("is too early or too late") from error


def _parse_number(text: str, field: Field) -> int | float:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("is not a number") from None
    # The size first: "1e999999999" would fill the memory as an integer.
    if not number.is_finite() or number.adjusted() > _LARGEST_EXPONENT:
        raise ValueError("is not a finite number")
    if field.dtype == "float":
        return _float(number)
    if number != number.to_integral_value():
        raise ValueError("is not an integer")
    return int(number)


def key_value(value: Any, field: Field, salt: bytes) -> Any:
    """Return the canonical value of a key column, whatever its source; of a personal one, its pseudonym."""
    # In the kept input of a batch run, personal values are pseudonyms already.
    if field.pii and is_pseudonym(value):
        return value
    plain = _plain(value, field)
    return pseudonym(plain, salt) if field.pii and plain is not None else plain


def _plain(value: Any, field: Field) -> Any:
    """Return the canonical JSON value of `value`, whatever its source."""
    if _is_null(value):
        return None
    if field.dtype == "datetime":
        return to_utc(value, field)
    kinds: Mapping[str, Callable[[Any], Any]] = {"float": _float, "int": int, "bool": bool}
    return kinds.get(field.dtype, str)(value)


def _float(value: Any) -> float:
    # -0.0 equals 0.0, and has another text.
    return float(value) + 0.0


def _is_null(value: Any) -> bool:
    # NaT is a datetime and, like NaN, unequal to itself.
    return value is None or (isinstance(value, (float, datetime)) and value != value)


def to_utc(value: Any, field: Field) -> datetime:
    """Return a timestamp from a record, a form or a frame in UTC."""
    if isinstance(value, str):
        return read_timestamp(value, field)
    time: datetime = value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
    if time.tzinfo is None:
        time = time.replace(tzinfo=ZoneInfo(field.timezone or "UTC"))
    return time.astimezone(UTC)


def _zone(value: Any, field: Field) -> str | None:
    time = parse_timestamp(value, field) if isinstance(value, str) else value
    if time.tzinfo is None:
        return field.timezone
    return str(getattr(time.tzinfo, "key", None) or time.strftime("%z"))


def _plain_scalar(value: Any) -> Any:
    """Return a scalar of NumPy or pandas as a value that JSON can hold."""
    if hasattr(value, "to_pydatetime"):
        return None if value != value else value.isoformat()
    return value.item() if hasattr(value, "item") else value


def _text(content: Mapping[str, Any]) -> str:
    """Return JSON text; NaN and infinity are null."""
    return msgspec.json.encode(content, enc_hook=_plain_scalar).decode()
