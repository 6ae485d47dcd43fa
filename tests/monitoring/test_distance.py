from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance as reference

from nbship.monitoring.drift import distance


def test_jensen_shannon_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        r, c = rng.integers(0, 50, 12) + np.eye(12, dtype=int)[0], rng.integers(0, 50, 12) + np.eye(12, dtype=int)[1]
        expected = reference.jensenshannon(r / r.sum(), c / c.sum(), base=2)
        assert distance.jensen_shannon(r, c) == pytest.approx(expected, abs=1e-9)


def test_the_stability_index_agrees_with_scipy() -> None:
    rng = np.random.default_rng(7)
    for _ in range(20):
        r, c = rng.integers(0, 50, 12), rng.integers(0, 50, 12)
        # The symmetric divergence of Kullback and Leibler, with half a row more in each bin.
        expected = stats.entropy(r + 0.5, c + 0.5) + stats.entropy(c + 0.5, r + 0.5)
        assert distance.psi(r, c) == pytest.approx(expected, rel=1e-12)


def test_homogeneity_agrees_with_scipy() -> None:
    rng = np.random.default_rng(8)
    for _ in range(20):
        table = rng.integers(1, 40, (5, 7))
        expected = stats.chi2_contingency(table, correction=False).pvalue
        assert distance.homogeneity(table) == pytest.approx(expected, rel=1e-9)


def test_two_shares_are_compared_as_scipy_does() -> None:
    for hits, rows, before, all_before in ((5, 100, 20, 1000), (40, 90, 300, 1000), (1, 30, 2, 500)):
        table = [[hits, rows - hits], [before, all_before - before]]
        expected = stats.chi2_contingency(table, correction=True)
        found = distance.proportions(hits, rows, reference_hits=before, reference_rows=all_before)
        assert found.statistic == pytest.approx(hits / rows - before / all_before)
        assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6)


def test_chi_squared_agrees_with_scipy_where_no_bin_is_rare() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        r, c = rng.integers(20, 90, 9), rng.integers(20, 90, 9)
        expected = stats.chi2_contingency([r, c], correction=False)
        found = distance.chi_squared(r, c)
        assert found.statistic == pytest.approx(expected.statistic)
        assert found.p_value == pytest.approx(expected.pvalue)
        assert found.degrees == expected.dof


def test_kolmogorov_smirnov_agrees_with_scipy_when_every_value_is_a_bin() -> None:
    rng = np.random.default_rng(2)
    r, c = rng.integers(0, 40, 900), rng.integers(3, 43, 700)
    found = distance.kolmogorov_smirnov(np.bincount(r, minlength=43), np.bincount(c, minlength=43))
    expected = stats.ks_2samp(r, c, method="asymp")
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.2)


def test_the_stability_index_is_the_squared_shift_of_a_normal() -> None:
    edges = np.linspace(-4, 4, 200)
    rng = np.random.default_rng(3)
    r, _ = np.histogram(rng.normal(0, 1, 2_000_000), edges)
    c, _ = np.histogram(rng.normal(0.5, 1, 2_000_000), edges)
    assert distance.psi(r, c) == pytest.approx(0.25, abs=0.01)


def test_the_noise_of_the_stability_index_is_what_chance_gives() -> None:
    rng = np.random.default_rng(4)
    share = np.full(10, 0.1)
    found = [distance.psi(rng.multinomial(5000, share), rng.multinomial(1000, share)) for _ in range(500)]
    assert np.mean(found) == pytest.approx(distance.psi_noise(np.full(10, 500), np.full(10, 100)), rel=0.1)


def test_the_noise_of_the_jensen_shannon_distance_is_what_chance_gives() -> None:
    rng = np.random.default_rng(6)
    share = np.full(10, 0.1)
    found = [
        distance.jensen_shannon(rng.multinomial(5000, share), rng.multinomial(1000, share)) ** 2 for _ in range(500)
    ]
    expected = distance.jensen_shannon_noise(np.full(10, 500), np.full(10, 100)) ** 2
    assert np.mean(found) == pytest.approx(expected, rel=0.1)


def test_p_values_of_unchanged_counts_are_not_too_small() -> None:
    rng = np.random.default_rng(5)
    share = rng.dirichlet(np.full(200, 0.2))  # many rare categories
    found = np.array(
        [distance.chi_squared(rng.multinomial(20_000, share), rng.multinomial(400, share)).p_value for _ in range(2000)]
    )
    assert np.mean(found < 0.01) < 0.02
    assert np.mean(found < 0.5) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    ("reference", "current"),
    [
        ([], []),
        ([0, 0], [0, 0]),
        ([5, 5], [0, 0]),
        ([0, 0], [5, 5]),
        ([7], [3]),
        ([1, 0], [0, 1]),
        ([10**9, 1], [0, 10**9]),
    ],
)
def test_every_measure_is_finite(reference: list[int], current: list[int]) -> None:
    numbers = [
        distance.psi(reference, current),
        distance.psi_noise(reference, current),
        distance.jensen_shannon(reference, current),
        distance.jensen_shannon_noise(reference, current),
        distance.chi_squared(reference, current).p_value,
        distance.kolmogorov_smirnov(reference, current).p_value,
    ]
    assert all(math.isfinite(number) and number >= 0 for number in numbers)


def test_two_shares() -> None:
    found = distance.proportions(60, 300, reference_hits=100, reference_rows=1000)
    expected = stats.chi2_contingency([[60, 240], [100, 900]], correction=True)
    assert found.statistic == pytest.approx(0.1)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6)
    assert distance.proportions(0, 300, reference_hits=0, reference_rows=1000).p_value == 1.0
    assert distance.proportions(300, 300, reference_hits=0, reference_rows=1000).p_value < 1e-100


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(distance).failed == 0
