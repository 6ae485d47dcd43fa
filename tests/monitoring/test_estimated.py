"""Estimates of performance without labels: their intervals hold the truth, or they are not shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nbship.metrics import classification
from nbship.monitoring.performance import estimated, expected_measures, last_labelled


def windows(seed: int, number: int, *, shift: Any = lambda _: 0.0, rows: int = 4000) -> list[dict[str, Any]]:
    """Return sections of windows whose probabilities are off by a shift of their logits, and a little by chance."""
    random, found = np.random.default_rng(seed), []
    for index in range(number):
        logit = random.normal(size=rows) - 1.2
        truth = 1 / (1 + np.exp(-logit - shift(index) - random.normal(scale=0.1)))
        actual = (random.random(rows) < truth).astype(float)
        probability = 1 / (1 + np.exp(-logit))
        found.append(
            {
                "measures": classification(actual, probability),
                "expected": expected_measures(probability),
                "share_labelled": 1.0,
            }
        )
    return found


def test_what_is_expected_of_right_probabilities_comes_true() -> None:
    random = np.random.default_rng(0)
    probability = random.beta(1, 3, size=200_000).round(3)
    actual = random.random(200_000) < probability
    measured, expected = classification(actual, probability), expected_measures(probability)
    for name, value in expected.items():
        assert value == pytest.approx(measured[name], abs=0.005), name


def test_the_expected_auc_is_that_of_weighted_rows() -> None:
    from sklearn.metrics import roc_auc_score

    p = np.random.default_rng(1).random(500).round(2)
    weighted = roc_auc_score(np.repeat([1, 0], 500), np.tile(p, 2), sample_weight=np.concatenate([p, 1 - p]))
    assert expected_measures(p)["auc"] == pytest.approx(weighted, rel=1e-12)


def test_intervals_hold_the_truth_in_nine_of_ten_windows() -> None:
    held, shown = 0, 0
    for seed in range(60):
        *earlier, now = windows(seed, 13, shift=lambda _: 0.3, rows=1500)
        for each in estimated(now["expected"], earlier):
            shown += each["shown"]
            held += bool(each["shown"]) and each["low"] <= now["measures"][each["measure"]] <= each["high"]
    assert shown > 120
    assert 0.84 <= held / shown <= 0.98


def test_an_estimate_that_missed_is_not_shown() -> None:
    # A model that gets worse and worse.
    *earlier, now = windows(1, 14, shift=lambda index: 0.02 * 1.6**index)
    found = {each["measure"]: each for each in estimated(now["expected"], earlier)}
    rate = found["base_rate"]
    assert not rate["shown"]
    assert (rate["value"], rate["low"]) == (None, None)
    assert rate["reason"].startswith(f"The interval held the truth in {rate['held']} of 9 earlier windows: ")


def test_few_earlier_windows_give_no_estimate() -> None:
    *earlier, now = windows(2, 9)
    reasons = {each["reason"] for each in estimated(now["expected"], earlier)}
    assert reasons == {"8 earlier windows with labels; an estimate needs 9."}
    assert not any(
        each["shown"] for each in estimated(now["expected"], [{**each, "share_labelled": 0.5} for each in earlier * 3])
    )


def test_without_rows_nothing_is_expected() -> None:
    assert set(expected_measures(np.array([])).values()) == {None}


def test_the_last_labelled_window_has_an_age() -> None:
    known = {"window": {"from": "2024-01-01", "to": "2024-02-01"}, "performance": windows(3, 1)[0]}
    unknown = {
        "window": {"from": "2024-02-01", "to": "2024-03-01"},
        "performance": {"share_labelled": 0.1, "measures": {}},
    }
    found = last_labelled([known, unknown], first="2024-03-01", measure="auc")
    assert found is not None
    assert (found["from"], found["age_days"]) == ("2024-01-01", 29)
    assert last_labelled([unknown], first="2024-03-01", measure="auc") is None
