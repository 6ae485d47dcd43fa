"""Judge a canary release while it runs: roll it back, wait, or promote it to the next step.

Judged are failures, slow answers, the predictions themselves, and whether the canary gets its share of the keys, each by a test that may be looked at after every request
(`nbship.metrics.share_evidence`). Harm ends the release at once; promoting waits until the whole time of the step has passed
and enough requests were answered to say that errors are no more frequent. Whether predictions are right is not judged here:
that needs labels, and many more requests than a canary gets.

A key counts once for each kind of event. Requests of one key go to one version, so that a key that always fails would
otherwise look like a difference between the versions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...metrics import highest_rate, share_evidence

__all__ = ["CanaryJudge", "CanaryLimits", "CanaryVerdict", "Requests"]

PROMOTE, ROLL_BACK, WAIT = "promote", "roll back", "wait"

# Of each kind of event, more keys add little, and take memory.
_MOST_KEYS = 200_000
_LEAST_EVENTS = 4
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class CanaryLimits:
    """When a canary release is rolled back or promoted.

    Attributes
    ----------
    false_rollbacks
        The probability that a version that is no worse is rolled back by any of the judges, however long it runs.
    slow_ms
        Answers that take longer are slow: a high percentile of the production version's latency, in milliseconds, measured
        before the release. None: latency is not judged.
    slower, shifted
        How many times as many slow answers, and as many or few predictions in a tenth of the range of production's,
        are tolerated.
    edges
        The nine deciles of the production version's probabilities or values before the release; empty: predictions are
        not judged.
    more_errors
        A version is promoted if its rate of errors is at most this much above production's, with 95 % confidence.
    """

    false_rollbacks: float = 0.01
    slow_ms: float | None = None
    slower: float = 1.5
    shifted: float = 2.0
    edges: Sequence[float] = ()
    more_errors: float = 0.005


@dataclass(frozen=True)
class CanaryVerdict:
    """What to do with a canary release.

    Attributes
    ----------
    decision
        "promote" (to the next step), "roll back" or "wait".
    reason
        Why, in words.
    """

    decision: str
    reason: str


@dataclass(frozen=True)
class Requests:
    """Some requests, each with one row; arrays of shape (n,).

    Attributes
    ----------
    keys
        The hash of each key, 64 bits.
    of_canary
        Whether the canary was asked.
    failed
        Whether it failed through a fault of the service; a rejected row is not such a fault.
    latency_ms
        Milliseconds from the row to its prediction; NaN if it failed.
    scores
        The predicted probability or value; NaN if it failed.
    """

    keys: NDArray[np.uint64]
    of_canary: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    latency_ms: NDArray[np.float64]
    scores: NDArray[np.float64]


class CanaryJudge:
    """The judge of one step of a canary release; the next step, with another share, gets another one.

    Parameters
    ----------
    share
        The canary's share of the keys.
    seconds
        How long the step lasts at least.
    limits
        See `CanaryLimits`.

    Examples
    --------
    >>> judge = CanaryJudge(0.1, seconds=60)
    >>> keys, none = np.arange(4, dtype=np.uint64), np.full(4, np.nan)
    >>> judge.add(Requests(keys, np.ones(4, bool), np.ones(4, bool), none, none))
    >>> judge.verdict(passed=1.0).reason
    'All 4 keys whose requests failed belong to the canary, whose share is 10%.'
    """

    def __init__(self, share: float, *, seconds: float, limits: CanaryLimits | None = None) -> None:
        self.share, self.seconds, self.limits = share, seconds, limits or CanaryLimits()
        self._keys, self._failed, self._slow = _Keys(), _Keys(), _Keys()
        self._bins = [_Keys() for _ in range(len(self.limits.edges) + 1)] if len(self.limits.edges) else []
        self._scored: set[int] = set()
        judges = 2 + (self.limits.slow_ms is not None) + bool(self._bins)
        self._enough = math.log(judges / self.limits.false_rollbacks)
        self._harm: str | None = None

    def add(self, requests: Requests) -> None:
        """Count requests, and look for harm."""
        self._keys.add(requests.keys, requests.of_canary)
        self._failed.add(requests.keys[requests.failed], requests.of_canary[requests.failed])
        if self.limits.slow_ms is not None:
            slow = requests.latency_ms > self.limits.slow_ms
            self._slow.add(requests.keys[slow], requests.of_canary[slow])
        if self._bins:
            self._add_scores(requests)
        self._harm = self._harm or self._find_harm()

    def _add_scores(self, requests: Requests) -> None:
        scored = np.isfinite(requests.scores)
        places = np.searchsorted(self.limits.edges, requests.scores, side="left")
        for key, place, of_canary in zip(
            requests.keys[scored].tolist(), places[scored].tolist(), requests.of_canary[scored].tolist(), strict=True
        ):
            if key not in self._scored and len(self._scored) < _MOST_KEYS:
                self._scored.add(key)
                self._bins[place].count(of_canary)

    def verdict(self, *, passed: float) -> CanaryVerdict:
        """Return what to do, `passed` seconds after the step began."""
        if self._harm:
            return CanaryVerdict(ROLL_BACK, self._harm)
        if passed < self.seconds:
            return CanaryVerdict(WAIT, f"{passed:.0f} of {self.seconds:.0f} seconds have passed.")
        keys, failed = self._keys, self._failed
        counts = f"{failed.canary:,} of {keys.canary:,} keys failed with the canary, {failed.others:,} of {keys.others:,} in production"
        tolerated = (failed.others / keys.others if keys.others else 0.0) + self.limits.more_errors
        if keys.canary and failed.canary / keys.canary > tolerated:
            return CanaryVerdict(WAIT, f"Inconclusive: {counts}, which may be chance.")
        if missing := self._missing(tolerated):
            return CanaryVerdict(WAIT, f"Inconclusive: {counts}. A verdict needs about {missing:,} more keys.")
        return CanaryVerdict(PROMOTE, f"{counts[0].upper()}{counts[1:]}.")

    def _find_harm(self) -> str | None:
        failed, slow, share = self._failed, self._slow, f"{self.share:.0%}"
        if self._is_proven(failed, 1.0):
            return f"{_of(failed)} whose requests failed belong to the canary, whose share is {share}."
        if reason := self._wrong_share():
            return reason
        if self._is_proven(slow, self.limits.slower):
            return f"{_of(slow)} with answers slower than {self.limits.slow_ms:g} ms belong to the canary, whose share is {share}."
        for place, counted in enumerate(self._bins):
            # Each tenth has a part of the error, and half of it for more and for fewer predictions.
            if self._is_proven(counted, self.limits.shifted, tests=2 * len(self._bins)):
                return f"{_of(counted)} with predictions {self._range(place)} belong to the canary, whose share is {share}."
            if self._is_proven(counted, self.limits.shifted, tests=2 * len(self._bins), fewer=True):
                return f"Only {counted.canary} of {counted.total} keys with predictions {self._range(place)} belong to the canary, whose share is {share}."
        return None

    def _is_proven(self, events: _Keys, tolerated: float, *, tests: int = 1, fewer: bool = False) -> bool:
        """Return whether the canary has more than the tolerated multiple of its share of events, or fewer than that part."""
        if events.total < _LEAST_EVENTS:
            return False
        part, rest, share = events.canary, events.others, self.share
        if fewer:
            part, rest, share = rest, part, 1 - share
        # The share of events if the canary had `tolerated` times as many for each of its keys; fewer: production had.
        bound = share * tolerated / (share * tolerated + 1 - share)
        return bool(share_evidence(part, rest, bound) >= self._enough + math.log(tests))

    def _wrong_share(self) -> str | None:
        keys = self._keys
        for part, rest, share in ((keys.canary, keys.others, self.share), (keys.others, keys.canary, 1 - self.share)):
            if float(share_evidence(part, rest, share)) >= self._enough + math.log(2):
                return f"{keys.canary:,} of {keys.total:,} keys went to the canary, whose share is {self.share:.0%}, so the versions cannot be compared. Check what splits the requests."
        return None

    def _missing(self, tolerated: float) -> int:
        """Return how many more keys would show that no more errors than tolerated are likely, at the rate so far."""
        canary, failed = self._keys.canary, self._failed.canary
        needed = max(canary, 1)
        while highest_rate(round(failed * needed / max(canary, 1)), needed, 1 - _CONFIDENCE) > tolerated:
            needed = math.ceil(needed * 1.1)
        return 0 if needed == canary else math.ceil((needed - canary) / self.share)

    def _range(self, place: int) -> str:
        edges = self.limits.edges
        if place == 0:
            return f"up to {edges[0]:.4g}"
        return f"above {edges[-1]:.4g}" if place == len(edges) else f"from {edges[place - 1]:.4g} to {edges[place]:.4g}"


@dataclass
class _Keys:
    """Distinct keys with an event, of the canary and of others."""

    canary: int = 0
    others: int = 0
    _known: set[int] = field(default_factory=set)

    @property
    def total(self) -> int:
        return self.canary + self.others

    def add(self, keys: NDArray[np.uint64], of_canary: NDArray[np.bool_]) -> None:
        for key, canary in zip(keys.tolist(), of_canary.tolist(), strict=True):
            if key not in self._known and len(self._known) < _MOST_KEYS:
                self._known.add(key)
                self.count(canary)

    def count(self, of_canary: bool) -> None:
        if of_canary:
            self.canary += 1
        else:
            self.others += 1


def _of(events: _Keys) -> str:
    return f"All {events.total} keys" if not events.others else f"{events.canary} of {events.total} keys"
