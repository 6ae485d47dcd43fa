"""Watch a running canary in the service that serves it, so that a bad one ends within seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np

from .judge import CanaryJudge, CanaryLimits, Requests

__all__ = ["CanaryWatch", "Observed"]

# Requests of production from which its latency and its range of predictions are measured.
_MEASURED = 1000
# Slow is what takes longer than most answers of production, and than a millisecond: differences below that are of no use.
_SLOW_QUANTILE, _LEAST_MS = 0.95, 1.0
# Observations that wait for a check; more than a service predicts between two.
_WAITING = 200_000


class Observed(NamedTuple):
    """Some rows that one version predicted together.

    Attributes
    ----------
    keys
        The hash of each row's key.
    of_canary, failed
        Whether it was the canary, and whether it failed.
    latency_ms
        Milliseconds for all of the rows.
    scores
        The predicted probabilities or values; none if it failed.
    """

    keys: Sequence[int]
    of_canary: bool
    failed: bool
    latency_ms: float
    scores: Sequence[float]


class CanaryWatch:
    """Collects what a canary and production answer, and looks for harm.

    Failures are judged from the first request on; latency and predictions, once production has answered enough requests to
    compare with. A check takes what was collected since the last one, so requests do not wait for it.

    Parameters
    ----------
    share
        The canary's share of the keys.
    false_rollbacks
        The probability that a version that is no worse is rolled back.

    Attributes
    ----------
    ended
        Why the canary should end; None as long as nothing speaks against it.
    """

    def __init__(self, share: float, *, false_rollbacks: float = 0.01) -> None:
        self._share, self._part = share, false_rollbacks / 2
        self._waiting: deque[Observed] = deque(maxlen=_WAITING)
        self._judges = [self._judge()]
        self._latencies, self._scores = list[float](), list[float]()
        self.ended: str | None = None
        self.note = self._waiting.append
        # A failure is judged at once, by the request that failed.
        self._lock = Lock()

    def check(self) -> str | None:
        """Judge all that was noted so far, and return why the canary should end; None if nothing speaks against it."""
        if not 0 < self._share < 1:
            return None
        with self._lock:
            self.ended = self.ended or self._harm()
        return self.ended

    def _harm(self) -> str | None:
        noted = []
        while self._waiting:
            noted.append(self._waiting.popleft())
        if noted:
            requests = _requests(noted)
            for judge in self._judges:
                judge.add(requests)
            self._measure(requests)
        verdicts = [judge.verdict(passed=0.0) for judge in self._judges]
        return next((each.reason for each in verdicts if each.decision == "roll back"), None)

    def _measure(self, requests: Requests) -> None:
        """Measure production, and judge by that from the next requests on."""
        if len(self._judges) > 1:
            return
        those = ~requests.of_canary & ~requests.failed
        self._latencies += requests.latency_ms[those].tolist()
        self._scores += requests.scores[those].tolist()
        if len(self._latencies) >= _MEASURED:
            deciles = np.unique(np.quantile(self._scores, np.arange(1, 10) / 10))
            slow = max(float(np.quantile(self._latencies, _SLOW_QUANTILE)), _LEAST_MS)
            self._judges.append(self._judge(slow_ms=slow, edges=tuple(deciles.tolist())))

    def _judge(self, **limits: object) -> CanaryJudge:
        return CanaryJudge(
            self._share,
            seconds=0.0,
            limits=CanaryLimits(false_rollbacks=self._part, **limits),  # type: ignore[arg-type]
        )


def _requests(noted: Sequence[Observed]) -> Requests:
    counts = [len(each.keys) for each in noted]
    scores = [score for each in noted for score in (each.scores or [np.nan] * len(each.keys))]
    # Rows that were predicted together share the time.
    times = [np.nan if each.failed else each.latency_ms / len(each.keys) for each in noted]
    return Requests(
        np.array([key for each in noted for key in each.keys], dtype=np.uint64),
        np.repeat([each.of_canary for each in noted], counts),
        np.repeat([each.failed for each in noted], counts),
        np.repeat(np.array(times, dtype=np.float64), counts),
        np.array(scores, dtype=np.float64),
    )
