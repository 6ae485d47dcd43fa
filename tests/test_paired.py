"""Two models on the same rows: the verdict of the block bootstrap, and that rows alone would be too sure."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student
from sklearn.metrics import log_loss, roc_auc_score

from nbship.errors import DataError
from nbship.metrics import compare_models

DAYS, ROWS_A_DAY = 30, 60


def pair_of_equals(seed: int) -> tuple[Any, Any, Any, Any]:
    """Return outcomes, two equally good predictions, and days. Each day is wrong in a way of its own, for each model."""
    rng = np.random.default_rng(seed)
    day = np.arange(DAYS * ROWS_A_DAY) // ROWS_A_DAY
    truth = rng.normal(0, 0.5, DAYS)[day] + rng.normal(0, 1, len(day)) - 1
    actual = (rng.random(len(day)) < 1 / (1 + np.exp(-truth))).astype(int)
    first, second = (1 / (1 + np.exp(-truth - rng.normal(0, 0.8, DAYS)[day] - rng.normal(0, 0.3, len(day)))) for _ in range(2))  # fmt: skip
    return actual, first, second, day


def verdicts(pairs: int, *, by_day: bool, measure: str = "brier") -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in range(pairs):
        actual, first, second, day = pair_of_equals(seed)
        blocks = day if by_day else np.arange(len(day))
        found[compare_models(actual, first, second, blocks, measure=measure, resamples=1000, seed=seed).verdict] += 1
    return found


def test_equals_are_seldom_called_worse_by_day_and_often_by_row() -> None:
    assert verdicts(60, by_day=True)["worse"] <= 4
    assert verdicts(60, by_day=False)["worse"] >= 6


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_of_a_thousand_pairs_of_equals_at_most_one_in_twenty_is_called_worse() -> None:
    assert verdicts(1000, by_day=True)["worse"] <= 50
    assert verdicts(1000, by_day=True, measure="auc")["worse"] <= 50
    assert verdicts(1000, by_day=False)["worse"] > 50


def test_the_interval_is_that_of_resampled_days() -> None:
    actual, first, second, day = pair_of_equals(1)
    found = compare_models(actual, first, second, day, margin=0.05)
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(day == each) for each in range(DAYS)]
    gains = []
    for _ in range(400):
        drawn = np.concatenate([rows[k] for k in rng.integers(0, DAYS, DAYS)])
        gains.append(roc_auc_score(actual[drawn], first[drawn]) - roc_auc_score(actual[drawn], second[drawn]))
    gain = roc_auc_score(actual, first) - roc_auc_score(actual, second)
    reach = student.ppf(0.975, DAYS - 1) * np.std(gains) * np.sqrt(DAYS / (DAYS - 1))
    assert found.gain == pytest.approx(gain, abs=1e-12)
    assert (found.low, found.high) == (pytest.approx(gain - reach, rel=0.15), pytest.approx(gain + reach, rel=0.15))
    assert found.verdict == "not worse"


def test_a_better_model_is_better_and_a_worse_one_worse() -> None:
    actual, first, _, day = pair_of_equals(2)
    good, poor = np.clip(0.7 * actual + 0.3 * first, 0.01, 0.99), np.full(len(day), actual.mean())
    assert compare_models(actual, good, poor, day, measure="log_loss").verdict == "better"
    found = compare_models(actual, poor, good, day, measure="log_loss", margin=0.01)
    assert found.verdict == "worse"
    assert found.gain == pytest.approx(log_loss(actual, good) - log_loss(actual, poor))


def test_an_undecided_comparison_says_how_many_more_rows_would_decide() -> None:
    actual, first, second, day = pair_of_equals(3)
    margin = 0.002
    found = compare_models(actual, first, second, day, measure="brier", margin=margin)
    assert found.verdict == "undecided"
    assert found.more_rows is not None
    reach = (found.high - found.low) / 2
    room = found.gain + margin if found.gain > -margin else -found.gain
    assert found.more_rows == pytest.approx(len(day) * ((reach / room) ** 2 - 1), abs=1)


def test_identical_models_are_not_worse_and_few_days_are_insufficient() -> None:
    actual, first, second, day = pair_of_equals(4)
    assert compare_models(actual, first, first, day).verdict == "not worse"
    assert compare_models(actual, first, second, day % 4).verdict == "insufficient"
    assert compare_models(np.ones(len(day)), first, second, day).verdict == "insufficient"


def test_values_are_compared_by_their_errors() -> None:
    rng = np.random.default_rng(0)
    actual, day = rng.normal(100, 10, 1200), np.arange(1200) // 40
    near, far = actual + rng.normal(0, 1, 1200), actual + rng.normal(0, 3, 1200)
    for measure, size in (("mae", lambda e: np.abs(e).mean()), ("rmse", lambda e: np.sqrt(np.square(e).mean()))):
        found = compare_models(actual, near, far, day, measure=measure)
        assert found.verdict == "better"
        assert found.gain == pytest.approx(size(far - actual) - size(near - actual))


def test_many_blocks_are_joined_at_random() -> None:
    actual, first, second, day = pair_of_equals(5)
    found = compare_models(actual, first, second, np.arange(len(day)), measure="brier")
    assert found.blocks == len(day)
    error = np.std(np.square(second - actual) - np.square(first - actual)) / np.sqrt(len(day))
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measure": "accuracy"}, "'accuracy' is not a measure that is compared"),
        ({"margin": -0.1}, "margin is -0.1"),
        ({"resamples": 100}, "100 resamples are too few"),
    ],
)
def test_wrong_options_are_errors(options: dict[str, Any], message: str) -> None:
    actual, first, second, day = pair_of_equals(6)
    with pytest.raises(DataError, match=message):
        compare_models(actual, first, second, day, **options)
