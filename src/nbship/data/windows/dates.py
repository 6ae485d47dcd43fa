"""Timestamps in a declared format or ISO 8601, strictly; and the format that was probably meant where they are in another.

A format is never guessed to read a value. It is guessed for a message, and by two rules only: another format reads every
value that the declared one does not, or the exchange of day and month moves the rows into the window::

    declared %d/%m/%Y    07/13/2013     not a date in this format; %m/%d/%Y reads it
    declared %d/%m/%Y    07/05/2013     7 May: outside of a window in July, in which 5 July is
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["exchange_day_and_month", "fitting_format", "localize", "parse_timestamps"]

_DATES = (
    "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y%m%d", "%d/%m/%y", "%m/%d/%y",
    "%d.%m.%y", "%Y-%d-%m",
)  # fmt: skip
_TIMES = ("", " %H:%M", " %H:%M:%S", "T%H:%M", "T%H:%M:%S", " %I:%M %p", " %H:%M:%S.%f", "T%H:%M:%S%z", " %H:%M:%S%z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_timestamps(values: pa.Array, format: str, zone: ZoneInfo) -> pa.Array:
    """Return strings as timestamps in UTC; null for null and for what is not in the format (empty: ISO 8601).

    A time that clocks skip is null; of two equal times in autumn, the first one is meant.

    >>> import pyarrow as pa
    >>> parsed = parse_timestamps(pa.array(["31/07/2013", "07/31/2013"]), "%d/%m/%Y", ZoneInfo("America/New_York"))
    >>> [each and each.isoformat() for each in parsed.to_pylist()]
    ['2013-07-31T04:00:00+00:00', None]
    """
    import pyarrow as pa

    # Most values occur many times: each is parsed once.
    coded = values.dictionary_encode()
    parse = _reader(format)
    parsed = [_microseconds(parse, text, zone) for text in coded.dictionary.to_pylist()]
    type_ = pa.timestamp("us", tz="UTC")
    return pa.array(parsed, pa.int64()).cast(type_).take(coded.indices)


def localize(values: pa.Array, zone: ZoneInfo) -> pa.Array:
    """Return timestamps without a zone as those of a zone, in UTC; null for a time that clocks skip."""
    import pyarrow as pa
    import pyarrow.compute as pc

    zoned = pc.assume_timezone(values, zone.key, ambiguous="earliest", nonexistent="earliest")
    exists = pc.equal(pc.local_timestamp(zoned), values)
    return pc.if_else(exists, zoned, None).cast(pa.timestamp("us", tz="UTC"))


def fitting_format(values: Iterable[str], declared: str) -> str | None:
    """Return a format that reads all values, or None; `iso` stands for ISO 8601.

    >>> fitting_format(["07/31/2013", "07/01/2013"], "%d/%m/%Y")
    '%m/%d/%Y'
    """
    texts = list(values)
    exchanged = exchange_day_and_month(declared) if declared else None
    candidates = [*([exchanged] if exchanged else []), *([""] if declared else [])]
    candidates += [date + time for time in _TIMES for date in _DATES]
    for format in candidates:
        parse = _reader(format)
        if texts and format != declared and all(_parsed(parse, text) is not None for text in texts):
            return format or "iso"
    return None


def exchange_day_and_month(format: str) -> str | None:
    """Return a format with the day in the place of the month; None if it has no number for one of them.

    >>> exchange_day_and_month("%d/%m/%Y %H:%M"), exchange_day_and_month("%d %b %Y")
    ('%m/%d/%Y %H:%M', None)
    """
    if not {"%d", "%m"} <= set(re.findall("%.", format)):
        return None
    return re.sub("%[dm]", lambda found: "%m" if found[0] == "%d" else "%d", format)


def _reader(format: str) -> Callable[[str], datetime]:
    return (lambda text: datetime.strptime(text, format)) if format else datetime.fromisoformat


def _parsed(parse: Callable[[str], datetime], text: str) -> datetime | None:
    try:
        return parse(text.strip())
    except (ValueError, OverflowError):
        return None


def _microseconds(parse: Callable[[str], datetime], text: str | None, zone: ZoneInfo) -> int | None:
    found = None if text is None else _parsed(parse, text)
    if found is None:
        return None
    try:
        instant = (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
        if found.tzinfo is None and instant.astimezone(zone).replace(tzinfo=None) != found:
            return None
    except OverflowError:
        return None
    return (instant - _EPOCH) // _MICROSECOND


_MICROSECOND = datetime.resolution
