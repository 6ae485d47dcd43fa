"""Errors of measures by block: equal to statsmodels' clustered errors, and honest where days differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import ttest_ind

from nbship.errors import DataError
from nbship.metrics import block_auc, block_mean, calibration_line, classification, regression


def days(seed: int, *, number: int = 30, rows: int = 60, spread: float = 1.0) -> tuple[Any, Any, Any]:
    """Return outcomes, well calibrated probabilities but for an effect of the day, and the days of rows."""
    random = np.random.default_rng(seed)
    block = np.arange(number * rows) // rows
    score = random.normal(size=number * rows) - 1
    effect = random.normal(scale=spread, size=number)[block]
    actual = (random.random(number * rows) < 1 / (1 + np.exp(-score - effect))).astype(float)
    return actual, 1 / (1 + np.exp(-score)), block


def clustered(result: Any, rows: int, columns: int) -> Any:
    """Return statsmodels' errors without its correction for the number of columns."""
    return result.bse * np.sqrt((rows - columns) / (rows - 1))


def test_the_error_of_a_mean_is_that_of_statsmodels() -> None:
    actual, probability, block = days(0)
    miss = probability - actual
    fitted = sm.OLS(miss, np.ones(len(miss))).fit(cov_type="cluster", cov_kwds={"groups": block})
    estimate = block_mean(miss, block)
    assert estimate.value == pytest.approx(fitted.params[0], rel=1e-12)
    assert estimate.error == pytest.approx(clustered(fitted, len(miss), 1)[0], rel=1e-9)
    low, high = estimate.interval() or (0, 0)
    with_t = sm.OLS(miss, np.ones(len(miss))).fit(cov_type="cluster", cov_kwds={"groups": block}, use_t=True)
    np.testing.assert_allclose((low, high), with_t.conf_int()[0], rtol=1e-9)
    assert estimate.p_value(0.0) == pytest.approx(with_t.pvalues[0], rel=1e-6)


def test_the_line_of_calibration_is_that_of_statsmodels() -> None:
    actual, probability, block = days(1)
    logit = np.log(probability / (1 - probability))
    how = {"cov_type": "cluster", "cov_kwds": {"groups": block}}
    sloped = sm.GLM(actual, sm.add_constant(logit), family=sm.families.Binomial()).fit(tol=1e-12, **how)
    level = sm.GLM(actual, np.ones(len(actual)), offset=logit, family=sm.families.Binomial()).fit(tol=1e-12, **how)
    intercept, slope = calibration_line(actual, probability, block)
    assert slope.value == pytest.approx(sloped.params[1], rel=1e-8)
    assert slope.error == pytest.approx(clustered(sloped, len(actual), 2)[1], rel=1e-6)
    assert intercept.value == pytest.approx(level.params[0], rel=1e-8)
    assert intercept.error == pytest.approx(clustered(level, len(actual), 1)[0], rel=1e-6)


@pytest.mark.parametrize("seed", [2, 3])
def test_the_error_of_an_auc_is_that_of_resampled_days(seed: int) -> None:
    actual, probability, block = days(seed, number=60, rows=40)
    random = np.random.default_rng(seed)
    areas = []
    for _ in range(300):
        rows = np.concatenate([np.flatnonzero(block == day) for day in random.integers(60, size=60)])
        areas.append(classification(actual[rows], probability[rows])["auc"])
    estimate = block_auc(actual, probability, block)
    assert estimate.value == pytest.approx(classification(actual, probability)["auc"], rel=1e-12)
    assert estimate.error == pytest.approx(np.std(areas), rel=0.2)


def test_rows_alone_have_the_error_of_delong() -> None:
    random = np.random.default_rng(4)
    actual, probability = (random.random(200) < 0.3).astype(float), random.random(200).round(1)
    wins = (probability[actual == 1, None] > probability[actual == 0]) + 0.5 * (
        probability[actual == 1, None] == probability[actual == 0]
    )
    variance = wins.mean(axis=1).var(ddof=1) / len(wins) + wins.mean(axis=0).var(ddof=1) / wins.shape[1]
    assert block_auc(actual, probability, np.arange(200)).error == pytest.approx(np.sqrt(variance), rel=0.01)


def test_intervals_hold_the_truth_where_days_differ_and_those_by_row_do_not() -> None:
    by_day, by_row = 0, 0
    for seed in range(200):
        actual, probability, block = days(seed, number=20, rows=100)
        # Another sample of days gives the truth: the mean difference is that of 2,000 days.
        low, high = block_mean(actual - probability, block).interval() or (0, 0)
        by_day += low <= TRUTH <= high
        low, high = block_mean(actual - probability, np.arange(len(actual))).interval() or (0, 0)
        by_row += low <= TRUTH <= high
    assert 0.9 <= by_day / 200 <= 0.99
    assert by_row / 200 < 0.6


_MANY = days(1_000_000, number=4000, rows=100)
TRUTH = float(np.mean(_MANY[0] - _MANY[1]))


def test_effective_rows_are_between_the_days_and_the_rows() -> None:
    actual, probability, block = days(5, spread=2.0)
    whole = block_mean(actual - probability, block)
    assert 30 <= (whole.effective_rows or 0) < 300 < whole.rows == 1800
    alone = days(5, spread=0.0)
    assert (block_mean(alone[0] - alone[1], block).effective_rows or 0) > 900


@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_rows_have_no_error(rows: int) -> None:
    actual, probability, block = np.ones(rows), np.full(rows, 0.5), np.zeros(rows, dtype=int)
    for estimate in (
        block_mean(actual, block),
        block_auc(actual, probability, block),
        *calibration_line(actual, probability, block),
    ):
        assert (estimate.error, estimate.interval(), estimate.p_value(0.0)) == (None, None, 1.0)


def test_separated_classes_have_no_slope() -> None:
    intercept, slope = calibration_line([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], [0, 1, 2, 3])
    assert slope.value is None
    assert intercept.value is not None


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([0.5, 1.0], "must be integers from 0"),
        ([-1, 0], "must be integers from 0"),
        ([0], "There are 2 rows and 1 blocks"),
    ],
)
def test_blocks_that_do_not_fit_the_rows(blocks: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        block_mean([1.0, 2.0], blocks)


def test_measures_of_held_out_rows_come_with_errors() -> None:
    random = np.random.default_rng(5)
    number = np.arange(1200) // 40
    days = np.arange(np.datetime64("2024-06-01"), np.datetime64("2024-07-01"))[number]
    storm = random.normal(size=30)[number]
    p = 1 / (1 + np.exp(-random.normal(size=1200)))
    late = (random.random(1200) < 1 / (1 + np.exp(-(np.log(p / (1 - p)) + storm)))).astype(int)
    found = classification(late, p, blocks=days)
    assert (found["blocks"], found["auc_error"]) == (30, block_auc(late, p, number).error)
    assert found["brier_error"] == block_mean((p - late) ** 2, number).error
    assert found["auc_error"] > 1.2 * classification(late, p, blocks=np.arange(1200))["auc_error"]
    values = regression(late, p, blocks=[str(day) for day in days])
    assert (values["blocks"], values["mae_error"]) == (30, block_mean(np.abs(p - late), number).error)
    assert regression([], [], blocks=[])["mae_error"] is None


def test_a_few_days_that_resemble_each_other_by_chance_prove_nothing() -> None:
    """Two samples of days that do not differ: at most the share p of them has a probability below p."""
    random = np.random.default_rng(11)
    few, many = random.normal(size=(4000, 5)), random.normal(size=(4000, 30))
    shared = []
    for a, b in zip(few, many, strict=True):
        one, other = (block_mean(x[day], day) for x, day in ((x, np.arange(3 * len(x)) // 3) for x in (a, b)))
        assert other.value is not None
        assert other.error is not None
        shared.append(one.p_value_against(other.value, error=other.error, blocks=other.blocks))
    assert np.mean(np.array(shared) < 0.001) <= 0.002
    assert np.mean(np.array(shared) < 0.05) <= 0.05
    for a, b, p in list(zip(few, many, shared, strict=True))[:20]:
        expected = max(ttest_ind(a, b, equal_var=equal).pvalue for equal in (True, False))
        assert p == pytest.approx(expected, rel=1e-9)
