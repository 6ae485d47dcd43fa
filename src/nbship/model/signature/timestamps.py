"""Times as texts say them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from .fields import Field

__all__ = ["parse_moment", "read_moment"]


def read_moment(text: str, field: Field) -> datetime:
    """Return the moment, in UTC, that a text means for a field.

    Raises
    ------
    ValueError
        If it means none, or two: the reason, without the value.

    >>> read_moment("2024-07-01 08:00", Field("at", "datetime", timezone="America/New_York")).isoformat()
    '2024-07-01T12:00:00+00:00'
    """
    moment = parse_moment(text, field)
    if moment.tzinfo is None:
        if field.timezone is None:
            raise ValueError("has no offset, as in 2024-01-31T08:00:00+00:00")
        zoned = moment.replace(tzinfo=ZoneInfo(field.timezone))
        if zoned.utcoffset() != zoned.replace(fold=1).utcoffset():
            raise ValueError(f"occurs twice, or never, in {field.timezone}: add an offset")
        moment = zoned
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is too early or too late") from None


def parse_moment(text: str, field: Field) -> datetime:
    """Return the time that a text says, with its offset where it has one; else ValueError, as in `read_moment`."""
    if field.format:
        with suppress(ValueError):
            return datetime.strptime(text, field.format)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        written = f"written as {field.format}, or in ISO 8601" if field.format else "in ISO 8601"
        raise ValueError(f"is not a time {written}") from None
