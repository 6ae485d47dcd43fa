"""Read what a window's report needs from the prediction log, in processes of their own: reading takes as long as counting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...model.signature import Signature
from ...prediction_log import Part, Parts, latest_event
from ..service import resources, service
from ..window import Window, end_of_today

if TYPE_CHECKING:
    from ...prediction_log import SqlLog

__all__ = ["SHARES", "Requests", "in_turn", "read_parts", "read_requests"]

# Two processes read the window, whatever the number of CPUs: the order of the parts decides which rows are sampled.
SHARES = 2


@dataclass(frozen=True)
class Requests:
    """What the log says of the service in a window.

    Attributes
    ----------
    service, resources
        The sections of a report.
    as_of
        The time of the latest event up to today; None without any.
    """

    service: dict[str, Any]
    resources: dict[str, Any]
    as_of: datetime | None


def read_parts(log: SqlLog, signature: Signature, window: Window, *, share: int) -> Iterator[Part | Sequence[str]]:
    """Yield the predictions of a share of a window in parts, and then the sentences about batch runs that cannot be read."""
    parts = Parts(log, signature, start=window.start, end=window.end, measured=True, share=(share, SHARES))
    for part in parts:
        if len(part.frame):
            yield part
    yield parts.unreadable


def in_turn(iterators: Sequence[Iterator[Any]]) -> Iterator[Any]:
    """Yield the next item of each iterator in turn, until all have ended.

    >>> list(in_turn([iter("abc"), iter("de")]))
    ['a', 'd', 'b', 'e', 'c']
    """
    remaining = list(iterators)
    while remaining:
        for each in list(remaining):
            try:
                yield next(each)
            except StopIteration:
                remaining.remove(each)


def read_requests(log: SqlLog, signature: Signature, window: Window) -> Iterator[Requests]:
    """Yield the sections about the service: one item."""
    yield Requests(
        service(log.timings(window.start, window.end), zone=window.zone),
        resources(log.usage(window.start, window.end), zone=window.zone),
        latest_event(log, signature, before=end_of_today(window.zone)),
    )
