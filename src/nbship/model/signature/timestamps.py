"""Timestamps as strings."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from .fields import Field

__all__ = ["parse_timestamp", "read_timestamp"]


def read_timestamp(text: str, field: Field) -> datetime:
    """Parse the timestamp of a field, and convert it to UTC.

    Raises
    ------
    ValueError
        If the string is not a timestamp, or is ambiguous in the field's time zone. The message is the reason, without
        the value.

    >>> read_timestamp("2024-07-01 08:00", Field("at", "datetime", timezone="America/New_York")).isoformat()
    '2024-07-01T12:00:00+00:00'
    """
    timestamp = parse_timestamp(text, field)
    if timestamp.tzinfo is None:
        if field.timezone is None:
            raise ValueError("has no offset, as in 2024-01-31T08:00:00+00:00")
        zoned = timestamp.replace(tzinfo=ZoneInfo(field.timezone))
        # The offsets differ where clocks are set back (the time occurs twice) and forward (it never occurs).
        if zoned.utcoffset() != zoned.replace(fold=1).utcoffset():
            raise ValueError(f"occurs twice, or never, in {field.timezone}: add an offset")
        timestamp = zoned
    try:
        return timestamp.astimezone(UTC)
    except OverflowError:
        raise ValueError("is too early or too late") from None


def parse_timestamp(text: str, field: Field) -> datetime:
    """Parse a timestamp, with its offset if it has one; raise ValueError as `read_timestamp` does."""
    if field.format:
        with suppress(ValueError):
            return datetime.strptime(text, field.format)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        written = f"written as {field.format}, or in ISO 8601" if field.format else "in ISO 8601"
        raise ValueError(f"is not a timestamp {written}") from None
