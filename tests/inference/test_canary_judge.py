"""A canary release is ended by harm, promoted after its time, and neither by chance nor by silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nbship.inference import CanaryJudge, CanaryLimits, CanaryVerdict, Requests
from nbship.metrics import share_evidence

SHARE, HOUR = 0.1, 3600.0
DECILES = tuple(np.arange(1, 10) / 10)


def traffic(random: Any, number: int, *, first: int = 0, share: float = SHARE, **canary: float) -> Requests:
    """Return requests of as many keys; `errors`, `slow` and `power` are the canary's, where they differ from production's."""
    keys = np.arange(first, first + number, dtype=np.uint64)
    of_canary = random.random(number) < share
    failed = random.random(number) < np.where(of_canary, canary.get("errors", 0.001), 0.001)
    slow = random.random(number) < np.where(of_canary, canary.get("slow", 0.05), 0.05)
    scores = random.random(number) ** np.where(of_canary, canary.get("power", 1.0), 1.0)
    return Requests(
        keys, of_canary, failed, np.where(failed, np.nan, np.where(slow, 80.0, 1.0)), np.where(failed, np.nan, scores)
    )


def judge(**options: Any) -> CanaryJudge:
    return CanaryJudge(SHARE, seconds=HOUR, limits=CanaryLimits(slow_ms=50.0, edges=DECILES, **options))


def run(random: Any, *, seconds: int, rate: int = 100, **canary: float) -> tuple[CanaryVerdict, int, int]:
    """Judge each second of a release; return the verdict, the second of it, and how many requests failed with the canary."""
    one, failed = judge(), 0
    for second in range(seconds):
        requests = traffic(random, rate, first=second * rate, **canary)
        failed += int((requests.failed & requests.of_canary).sum())
        one.add(requests)
        verdict = one.verdict(passed=second + 1.0)
        if verdict.decision != "wait":
            return verdict, second + 1, failed
    return verdict, seconds, failed


def test_equal_versions_are_not_rolled_back_however_often_one_looks() -> None:
    random = np.random.default_rng(1)
    found = [run(random, seconds=20, rate=20)[0].decision for _ in range(100)]
    assert found.count("roll back") <= 2


@pytest.mark.long
def test_of_2000_slow_releases_of_equal_versions_at_most_one_percent_is_rolled_back() -> None:
    """An hour at one request a second."""
    random, rolled_back = np.random.default_rng(3), 0
    for _ in range(2000):
        one, first = judge(), 0
        # In parts that grow: at each request at first, and at each tenth of them later.
        while first < HOUR:
            number = max(1, first // 10)
            one.add(traffic(random, number, first=first))
            first += number
        rolled_back += one.verdict(passed=HOUR).decision == "roll back"
    assert rolled_back <= 20


@pytest.mark.long
def test_of_2000_busy_releases_of_equal_versions_at_most_one_percent_is_rolled_back() -> None:
    """An hour at 100 requests a second, as counts of events: the limits are those of the judge, with four judges."""
    random, alpha, rolled_back = np.random.default_rng(4), 0.01 / 4, 0
    looks = np.unique(np.geomspace(1, 200_000, 400).astype(int))
    # Tests by events in an hour, their number, and the tolerated share of the canary.
    slow, shifted = (SHARE * times / (SHARE * times + 1 - SHARE) for times in (1.5, 2.0))
    kinds = [(360, 1, SHARE, alpha), (18_000, 1, slow, alpha), (200_000, 1, SHARE, alpha / 2), (20_000, 10, shifted, alpha / 20)]  # fmt: skip
    for _ in range(2000):
        false = False
        for events, tests, bound, limit in kinds:
            seen = looks[looks <= events]
            steps = np.diff(seen, prepend=0)
            part = np.cumsum(random.binomial(steps, SHARE, (tests, len(steps))), axis=1)
            false |= bool((share_evidence(part, seen - part, bound) >= np.log(1 / limit)).any())
        rolled_back += false
    assert rolled_back <= 20


def test_a_repeated_z_test_rolls_equal_versions_back() -> None:
    """The oracle of the problem: what the judge must not be."""
    random, rolled_back = np.random.default_rng(2), 0
    for _ in range(300):
        errors = [np.cumsum(random.binomial(number, 0.01, 60)) for number in (600, 5400)]
        minutes = np.arange(1, 61)
        rates = [each / (number * minutes) for each, number in zip(errors, (600, 5400), strict=True)]
        pooled = (errors[0] + errors[1]) / (6000 * minutes)
        deviation = np.sqrt(pooled * (1 - pooled) * (1 / (600 * minutes) + 1 / (5400 * minutes)))
        rolled_back += bool(((rates[0] - rates[1]) / deviation > 2.33).any())
    assert rolled_back > 15


def test_ten_times_as_many_errors_are_found_within_three_minutes() -> None:
    found = [run(np.random.default_rng(seed), seconds=180, errors=0.01) for seed in range(20)]
    assert [verdict.decision for verdict, _, _ in found].count("roll back") >= 19
    assert "keys whose requests failed belong to the canary, whose share is 10%." in found[0][0].reason


def test_a_crashing_version_is_found_within_three_seconds() -> None:
    for seed in range(20):
        verdict, seconds, failed = run(np.random.default_rng(seed), seconds=10, errors=1.0)
        assert verdict.decision == "roll back"
        assert seconds <= 3
        assert failed <= 40


def test_a_crashing_version_is_found_after_few_requests() -> None:
    one, random = judge(), np.random.default_rng(3)
    failed = 0
    for number in range(1000):
        requests = traffic(random, 1, first=number, errors=1.0)
        failed += int((requests.failed & requests.of_canary).sum())
        one.add(requests)
        if one.verdict(passed=number / 100).decision == "roll back":
            break
    assert failed <= 20
    assert number <= 300


def test_slow_answers_are_found_and_slightly_slower_ones_tolerated() -> None:
    slow = [run(np.random.default_rng(seed), seconds=120, slow=0.2) for seed in range(5)]
    assert all(verdict.decision == "roll back" for verdict, _, _ in slow)
    assert "with answers slower than 50 ms belong to the canary" in slow[0][0].reason
    tolerated = [run(np.random.default_rng(seed), seconds=120, slow=0.055)[0].decision for seed in range(5)]
    assert tolerated == ["wait"] * 5


def test_other_predictions_are_found_and_similar_ones_tolerated() -> None:
    other = [run(np.random.default_rng(seed), seconds=300, power=4.0)[0] for seed in range(5)]
    assert all(verdict.decision == "roll back" for verdict in other)
    assert "with predictions " in other[0].reason
    similar = [run(np.random.default_rng(seed), seconds=120, power=1.2)[0].decision for seed in range(5)]
    assert similar == ["wait"] * 5


def test_a_key_that_always_fails_counts_once() -> None:
    one = judge()
    nothing = np.full(500, np.nan)
    one.add(Requests(np.full(500, 7, dtype=np.uint64), np.ones(500, bool), np.ones(500, bool), nothing, nothing))
    assert one.verdict(passed=1.0) == CanaryVerdict("wait", "1 of 3600 seconds have passed.")


def test_silence_neither_promotes_nor_rolls_back() -> None:
    verdict = judge().verdict(passed=2 * HOUR)
    assert verdict.decision == "wait"
    assert verdict.reason.startswith("Inconclusive: 0 of 0 keys failed with the canary, 0 of 0 in production. A verdict needs about ")  # fmt: skip


def test_the_number_of_missing_keys_is_enough() -> None:
    one, random = judge(), np.random.default_rng(4)
    requests = traffic(random, 2000, errors=0.0)
    one.add(requests)
    verdict = one.verdict(passed=2 * HOUR)
    assert verdict.decision == "wait"
    needed = int(verdict.reason.rpartition("about ")[2].split()[0].replace(",", ""))
    assert 2000 < needed < 50_000
    one.add(traffic(random, int(needed * 1.3), first=2000, errors=0.0))
    assert one.verdict(passed=2 * HOUR).decision == "promote"


def test_a_version_is_promoted_after_its_time_only() -> None:
    one = judge()
    one.add(traffic(np.random.default_rng(5), 50_000))
    assert one.verdict(passed=HOUR - 1).decision == "wait"
    verdict = one.verdict(passed=HOUR)
    assert verdict.decision == "promote"
    assert "keys failed with the canary" in verdict.reason


def test_errors_that_may_be_chance_wait() -> None:
    one, random = judge(), np.random.default_rng(6)
    requests = traffic(random, 300, errors=0.0)
    failing = np.flatnonzero(requests.of_canary)[:1]
    requests.failed[failing] = True
    one.add(requests)
    verdict = one.verdict(passed=2 * HOUR)
    assert (verdict.decision, verdict.reason.endswith("which may be chance.")) == ("wait", True)


def test_a_split_that_is_not_the_declared_one_ends_the_release() -> None:
    one = judge()
    one.add(traffic(np.random.default_rng(7), 20_000, share=0.2))
    verdict = one.verdict(passed=2 * HOUR)
    assert verdict.decision == "roll back"
    assert (
        "of 20,000 keys went to the canary, whose share is 10%, so the versions cannot be compared." in verdict.reason
    )


def test_four_failures_are_no_proof_where_false_rollbacks_must_be_rarer() -> None:
    keys, nothing = np.arange(4, dtype=np.uint64), np.full(4, np.nan)
    decisions = []
    for false_rollbacks in (0.01, 1e-6):
        one = CanaryJudge(SHARE, seconds=HOUR, limits=CanaryLimits(false_rollbacks=false_rollbacks))
        one.add(Requests(keys, np.ones(4, bool), np.ones(4, bool), nothing, nothing))
        decisions.append(one.verdict(passed=1.0).decision)
    assert decisions == ["roll back", "wait"]
