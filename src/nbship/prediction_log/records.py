"""The entries of the prediction log: predictions, batch runs, labels, and the usage of the service's processes."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from ..ids import random_bits

__all__ = [
    "BatchRun",
    "Label",
    "Record",
    "Usage",
    "as_json",
    "from_micros",
    "is_pseudonym",
    "new_id",
    "pseudonym",
    "rejected_rows",
    "to_micros",
]

_PSEUDONYM = re.compile("pii:[0-9a-f]{32}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Record(NamedTuple):
    """A prediction, or a rejected request.

    Attributes
    ----------
    id
        The prediction id; ids sort by time.
    at
        When the prediction was made, in UTC.
    model, version, digest
        The model's name; the first 12 hex digits, and the whole, of its manifest's SHA-256.
    caller, mode
        The caller, and the interface: `rest`, `app` or `python`.
    inputs, outputs, error
        Content as JSON. `inputs` has the order of the signature; `outputs` is None for a rejected request, `error` for
        a prediction.
    latency_ms
        Duration of the prediction in milliseconds; of single records that were predicted together, their share of it.
    keys
        The key columns of the row as JSON; None if the model has none.
    event_time, event_zone
        The row's event time in UTC, and the zone or offset in which it was given.
    redacted
        Names of the personal inputs, which are stored as pseudonyms or dropped.
    trace
        The request's trace id (32 hex digits), from its `traceparent` header.
    role
        `served` if the caller received the prediction, `shadow` if it was only logged for comparison.
    """

    id: str
    at: datetime
    model: str
    version: str
    digest: str
    caller: str
    mode: str
    inputs: str | None
    outputs: str | None
    error: str | None
    latency_ms: float
    keys: str | None = None
    event_time: datetime | None = None
    event_zone: str | None = None
    redacted: tuple[str, ...] = ()
    trace: str | None = None
    role: str = "served"


class BatchRun(NamedTuple):
    """A batch run. Its rows are not copied to the log: they are read from the files, whose digests are stored here.

    Attributes
    ----------
    id
        Derived from the digests of package and input, so that the same run has the same id.
    at, seconds
        When the run ended, in UTC, and its duration.
    model, version, digest, caller
        As in `Record`.
    input_path, input_digest, output_path, output_digest
        Absolute paths and SHA-256 of the files.
    rows, rejected
        Numbers of predicted and rejected rows.
    first_event, last_event
        Earliest and latest event time of the predicted rows, in UTC; None if the model has no event time.
    """

    id: str
    at: datetime
    seconds: float
    model: str
    version: str
    digest: str
    caller: str
    input_path: str
    input_digest: str
    output_path: str
    output_digest: str
    rows: int
    rejected: int
    first_event: datetime | None = None
    last_event: datetime | None = None


class Label(NamedTuple):
    """The true outcome of a prediction, which is named by its id or its key columns.

    Attributes
    ----------
    label
        The label as JSON.
    at
        When the label was reported, in UTC. All labels are stored; the last in the log counts, whatever
        the clocks of its reporters said.
    prediction_id, keys
        Either the prediction id, or the key columns as JSON.
    time
        When the outcome became known, if reported.
    model
        The name of the model; None, in logs of older formats, for any model.
    """

    label: str
    at: datetime
    prediction_id: str | None = None
    keys: str | None = None
    time: datetime | None = None
    model: str | None = None


class Usage(NamedTuple):
    """CPU time and memory of a process of the service, over about a minute.

    Attributes
    ----------
    at
        The end of the interval, in UTC.
    seconds
        The length of the interval.
    model
        The name of the model that is served.
    process
        The host and the id of the process.
    cpu_seconds
        CPU time in the interval.
    memory_bytes
        Resident memory at the end of the interval.
    """

    at: datetime
    seconds: float
    model: str
    process: str
    cpu_seconds: float
    memory_bytes: int


class _Clock:
    """Returns increasing 60-bit timestamps: milliseconds, and 12 bits for the fraction.

    For example, 1.0005 s is 1000 ms and half of the next: 1000 << 12 | 2048. Two calls in the same 0.25 µs, or after
    the clock was set back, give consecutive numbers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def stamp(self) -> int:
        milliseconds, rest = divmod(time.time_ns(), 1_000_000)
        now = (milliseconds << 12) | (rest * 4096 // 1_000_000)
        with self._lock:
            self._last = max(now, self._last + 1)
            return self._last


_CLOCK = _Clock()


def new_id() -> str:
    """Return a new UUID of version 7, so that ids sort by time (RFC 9562, section 5.7).

    >>> first, second = new_id(), new_id()
    >>> first < second, len(first)
    (True, 36)
    """
    stamp = _CLOCK.stamp()
    # 48 bits of milliseconds, the version 7, 12 bits of the fraction, the variant 0b10, 62 random bits.
    number = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | random_bits(62)
    text = number.to_bytes(16).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def pseudonym(value: object, salt: bytes) -> str:
    """Return the pseudonym that the log stores for a personal value.

    Equal values have equal pseudonyms in one log. Each log has its own salt, so pseudonyms of two logs do not match.

    >>> pseudonym("N123", b"salt") == pseudonym("N123", b"salt")
    True
    >>> pseudonym("N123", b"salt")[:4]
    'pii:'
    """
    return "pii:" + hmac.new(salt, str(value).encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


def is_pseudonym(value: object) -> bool:
    """Return whether a value is a pseudonym of the log.

    >>> is_pseudonym(pseudonym("N123", b"salt")), is_pseudonym("pii")
    (True, False)
    """
    return isinstance(value, str) and _PSEUDONYM.fullmatch(value) is not None


def to_micros(time: datetime) -> int:
    """Return a timestamp as microseconds since 1970-01-01 UTC.

    >>> to_micros(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    if time.tzinfo is None:
        raise ValueError(f"The timestamp '{time}' has no time zone. Add one.")
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_micros(micros: int) -> datetime:
    """Return the timestamp, in UTC, of microseconds since 1970-01-01 UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def rejected_rows(error: str) -> int:
    """Return the number of rows of a rejected request from its logged error; 1 in logs of earlier versions.

    >>> rejected_rows('{"code":"invalid_input","fields":[],"rows":600}'), rejected_rows('{"code":"internal"}')
    (600, 1)
    """
    try:
        content = msgspec.json.decode(error)
    except msgspec.DecodeError:
        return 1
    found = content.get("rows") if isinstance(content, dict) else None
    return found if isinstance(found, int) and found > 0 else 1


def as_json(content: Any) -> str:
    """Return content as the JSON that is logged and compared; parsing a float gives the same bits.

    >>> as_json({"label": 1, "probability": 0.1})
    '{"label":1,"probability":0.1}'
    """
    return msgspec.json.encode(content).decode()
