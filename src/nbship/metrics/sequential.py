"""Tests that may be looked at after every event, as often as one likes: their false alarms do not grow with the looks.

A canary release gets a share of the keys at random. If the new version is no worse, each event, such as a failed request of
a key, comes from it with that share as probability, however many events there are: production's events are the clock::

    share 0.1     40 events, 4 of the canary: as expected
                   4 events, 4 of the canary: 0.1 ** 4, one in ten thousand

The evidence is a likelihood ratio, the average over all larger probabilities against the share. Without a difference, the
probability that it ever reaches 1/a is at most a (Ville's inequality). A z-test repeated each minute has no such limit.
Sources: Lindon et al., "Rapid regression detection in software deployments through sequential testing", KDD 2022; Howard et
al., "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 2021.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError

__all__ = ["highest_rate", "share_evidence"]

_BISECTIONS = 60


def share_evidence(part: ArrayLike, rest: ArrayLike, share: float) -> NDArray[np.float64]:
    """Return the logarithm of the evidence that events come from a part more often than its share.

    Parameters
    ----------
    part, rest
        How many events came from the part, and from the rest, so far; of any one shape.
    share
        The share of the part, between 0 and 1. It must not depend on the events.

    Returns
    -------
    array
        Of the same shape; evidence of at least ``log(1/a)`` at any time is a false alarm with a probability of at most `a`,
        also where the part's true probability is smaller than its share.

    Raises
    ------
    DataError
        If the share is not between 0 and 1, or a number is negative.

    Examples
    --------
    >>> share_evidence([4, 4], [0, 36], 0.1).round(1).tolist()
    [7.7, -2.5]
    """
    from scipy.special import betaincc, betaln  # type: ignore[import-untyped]

    if not 0 < share < 1:
        raise DataError(f"The share {share} is not between 0 and 1.")
    a, b = np.asarray(part, dtype=np.float64), np.asarray(rest, dtype=np.float64)
    if (a < 0).any() or (b < 0).any():
        raise DataError("A number of events is negative.")
    with np.errstate(divide="ignore"):
        larger = np.log(betaincc(a + 1, b + 1, share))
    # The mean of p^a (1-p)^b over the probabilities p above the share, against that of the share itself.
    mean = betaln(a + 1, b + 1) + larger - math.log1p(-share)
    return np.asarray(mean - a * math.log(share) - b * math.log1p(-share))


def highest_rate(events: int, trials: int, alpha: float) -> float:
    """Return an upper limit of the rate of events, which holds at all times together.

    Parameters
    ----------
    events, trials
        How many of the trials had an event, so far.
    alpha
        The probability that the true rate is ever above the limit is at most this.

    Raises
    ------
    DataError
        If there are more events than trials.

    Examples
    --------
    >>> highest_rate(0, 0, 0.05), round(highest_rate(0, 1000, 0.05), 4), round(highest_rate(10, 1000, 0.05), 3)
    (1.0, 0.007, 0.026)
    """
    if not 0 <= events <= trials:
        raise DataError(f"There cannot be {events} events in {trials} trials.")
    low, high = (events / trials if trials else 0.0), 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _rate_evidence(events, trials, middle) < math.log(1 / alpha):
            low = middle
        else:
            high = middle
    return high


def _rate_evidence(events: int, trials: int, rate: float) -> float:
    """Return the logarithm of the evidence against a rate: the likelihood with Jeffreys' prior, against that of the rate."""
    from scipy.special import betaln, xlog1py, xlogy

    rest = trials - events
    mixed = betaln(events + 0.5, rest + 0.5) - betaln(0.5, 0.5)
    return float(mixed - xlogy(events, rate) - xlog1py(rest, -rate))
