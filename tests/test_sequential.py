"""Evidence that may be looked at at any time, against integrals and simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binom

from nbship.errors import DataError
from nbship.metrics import highest_rate, share_evidence


@pytest.mark.parametrize(
    ("part", "rest", "share"), [(0, 0, 0.1), (4, 0, 0.1), (4, 36, 0.1), (30, 60, 0.5), (1, 200, 0.01)]
)
def test_evidence_is_the_mean_likelihood_ratio(part: int, rest: int, share: float) -> None:
    def ratio(p: float) -> float:
        return math.exp(part * math.log(p / share) + rest * (math.log1p(-p) - math.log1p(-share)))

    mean = quad(ratio, share, 1, points=[share + 0.02], limit=500, epsabs=0, epsrel=1e-10)[0] / (1 - share)
    assert float(share_evidence(part, rest, share)) == pytest.approx(math.log(mean), abs=1e-7)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("true", [1.0, 0.5])
def test_evidence_at_any_event_is_rarely_false(share: float, true: float) -> None:
    random, alpha = np.random.default_rng(1), 0.05
    part = np.cumsum(random.random((1000, 400)) < share * true, axis=1)
    rest = np.arange(1, 401) - part
    false = (share_evidence(part, rest, share) >= math.log(1 / alpha)).any(axis=1).mean()
    assert false <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / 1000)


def test_evidence_of_more_events_than_its_share_grows() -> None:
    part = np.array([10, 100, 1000])
    found = share_evidence(part, 4 * part, 0.1)
    assert (np.diff(found) > 0).all()
    assert found[-1] > 200


@pytest.mark.parametrize(("events", "trials"), [(0, 500), (3, 500), (50, 500), (500, 500)])
def test_the_highest_rate_is_above_that_of_one_look(events: int, trials: int) -> None:
    found = highest_rate(events, trials, 0.05)
    assert events / trials <= found <= 1
    # Looked at once, fewer events than these would be rarer than 5 % at that rate.
    assert binom.cdf(events, trials, found) <= 0.05 or events == trials


def test_the_highest_rate_holds_at_all_times() -> None:
    random = np.random.default_rng(2)
    happened = np.cumsum(random.random((300, 400)) < 0.05, axis=1)
    below = sum(
        any(highest_rate(int(row[n - 1]), n, 0.05) < 0.05 for n in (1, 10, 40, 100, 200, 400)) for row in happened
    )
    assert below <= 25


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, math.nan])
def test_a_share_that_is_none_is_named(share: float) -> None:
    with pytest.raises(DataError, match="not between 0 and 1"):
        share_evidence(1, 1, share)


def test_negative_numbers_are_rejected() -> None:
    with pytest.raises(DataError, match="negative"):
        share_evidence(-1, 1, 0.1)
    with pytest.raises(DataError, match="3 events in 2 trials"):
        highest_rate(3, 2, 0.05)
