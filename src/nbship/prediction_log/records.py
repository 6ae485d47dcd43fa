"""What the prediction log keeps: predictions, batch runs and labels."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from ..ids import random_bits

__all__ = ["BatchRun", "Label", "Record", "as_json", "from_micros", "new_id", "pseudonym", "to_micros"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Record(NamedTuple):
    """One prediction, or one refusal to predict.

    Attributes
    ----------
    id
        Identifies the prediction; later ids sort after earlier ones.
    at
        When it was answered, in UTC.
    model, version, digest
        Name of the model; first 12 hex digits and the whole of its manifest's sha256.
    caller, mode
        Who asked, and through what: `rest`, `app`, `python`.
    inputs, outputs, error
        JSON texts; `inputs` in the order of the signature, `outputs` None where `error` says why.
    latency_ms
        Milliseconds from the validated request to the prediction.
    keys
        JSON text of the row's key columns; None where the model has none.
    event_time, event_zone
        The row's event time in UTC, and the zone or offset in which it was given.
    redacted
        Names of the inputs that are personal data and were stored as pseudonyms.
    trace
        The trace id (32 hexadecimal digits) of the request, as its `traceparent` has it.
    role
        `served` where a caller got the prediction, `shadow` where it was only compared.
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
    """One run over a file; its rows are logged by the output, whose digest this record holds.

    Attributes
    ----------
    id
        Made from the digests of package and input: the same run has the same id, and the same output.
    at, seconds
        When it ended, in UTC, and how long it took.
    model, version, digest, caller
        As in `Record`.
    input_path, input_digest, output_path, output_digest
        Absolute paths, and sha256 of the bytes.
    rows, rejected
        Rows predicted, and rows set aside.
    first_event, last_event
        Earliest and latest event time among the rows predicted, in UTC; None where the model has no event time.
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
    """What truly happened, told by prediction id or by key columns.

    Attributes
    ----------
    label
        JSON text of the label.
    prediction_id, keys
        One of the two: the prediction's id, or the JSON text of its key columns.
    time
        When it became known, where the teller says so.
    at
        When it was told. The label told last is the one that counts; all are kept.
    model
        Name of the model whose predictions it is a label of; None in logs of older formats, for every model.
    """

    label: str
    at: datetime
    prediction_id: str | None = None
    keys: str | None = None
    time: datetime | None = None
    model: str | None = None


class _Clock:
    """Hands out ever greater stamps of 60 bits: milliseconds, then 12 bits of fraction."""

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
    """Return a new id: a UUID of version 7, so that ids sort by time.

    >>> first, second = new_id(), new_id()
    >>> first < second, len(first)
    (True, 36)
    """
    stamp = _CLOCK.stamp()
    number = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | random_bits(62)
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def pseudonym(value: object, salt: bytes) -> str:
    """Return what the log keeps in place of a personal value: the same for the same value, in one log.

    The salt is the log's own, so that the pseudonyms of two logs cannot be compared.

    >>> pseudonym("N123", b"salt") == pseudonym("N123", b"salt")
    True
    >>> pseudonym("N123", b"salt")[:4]
    'pii:'
    """
    return "pii:" + hmac.new(salt, str(value).encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


def to_micros(moment: datetime) -> int:
    """Return a moment as microseconds since 1970 in UTC.

    >>> to_micros(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    if moment.tzinfo is None:
        raise ValueError(f"The time '{moment}' has no zone. Attach one.")
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_micros(micros: int) -> datetime:
    """Return the moment, in UTC, of `to_micros`."""
    return _EPOCH + timedelta(microseconds=micros)


def as_json(content: Any) -> str:
    """Return the JSON text that is logged and compared: floats are written so that they are read again to the bit.

    >>> as_json({"label": 1, "probability": 0.1})
    '{"label":1,"probability":0.1}'
    """
    return msgspec.json.encode(content).decode()
