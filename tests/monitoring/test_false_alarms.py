"""Whole reports, with all their checks: false alarms on ordinary windows, and how many small shifts are found."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from past_weeks import alarms, findings, judge, train

from nbship.metrics import classification
from nbship.monitoring import write_report

WEEKS, ROWS = 21, 21_000  # a thousand a week
SHOPS, GOODS = (np.array(list(names), dtype=object) for names in ("abc", "wxyz"))
FULL = pytest.param(range(8, 1008), marks=pytest.mark.long)


def columns_of(random: Any, number: int, *, weeks: int = 1) -> dict[str, Any]:
    """Return inputs of which some wander from week to week."""
    wander = np.repeat(random.normal(size=weeks), -(-number // weeks))[:number]
    return {
        "steady": random.normal(size=number),
        "seasonal": wander + random.normal(size=number),
        "skewed": random.exponential(size=number),
        "shop": random.choice(SHOPS, number),
        "good": random.choice(GOODS, number, p=[0.5, 0.3, 0.15, 0.05]),
    }


def predict(columns: dict[str, Any]) -> Any:
    return 1 / (1 + np.exp(1.5 - columns["steady"] - 0.5 * (columns["shop"] == "a")))


def outcomes(scores: Any, random: Any, days: int) -> Any:
    """Return outcomes of rows that come evenly over some days, which differ."""
    effect = random.normal(scale=0.2, size=days)[np.arange(len(scores)) * days // len(scores)]
    return (random.random(len(scores)) < 1 / (1 + (1 / scores - 1) * np.exp(-effect))).astype(float)


@pytest.fixture(scope="module")
def trained() -> Any:
    random = np.random.default_rng(0)
    columns = columns_of(random, ROWS, weeks=WEEKS)
    scores = predict(columns)
    reference, signature = train(columns, scores=scores)
    return reference, signature, classification(outcomes(scores, random, 7 * WEEKS), scores)


def report(trained: Any, seed: int, *, shift: float = 0.0, **options: Any) -> dict[str, Any]:
    reference, signature, held_out = trained
    random = np.random.default_rng([9, seed])
    columns = columns_of(random, 1000)
    scores = predict(columns)
    actual = outcomes(scores, random, 7)
    moved = columns | {"skewed": columns["skewed"] + shift * columns["skewed"].std()}
    return judge(
        reference, signature, moved, scores=scores, actual=actual, held_out=held_out, slices=["shop"], **options
    )


@pytest.mark.parametrize("seeds", [range(8), FULL])
def test_at_most_one_report_in_a_hundred_raises_a_false_alarm(trained: Any, seeds: range) -> None:
    found = [reasons for seed in seeds if (reasons := alarms(report(trained, seed)))]
    assert len(found) <= len(seeds) // 100, found


@pytest.mark.parametrize("seeds", [range(8), FULL])
def test_a_shift_of_half_a_standard_deviation_is_found_and_named(trained: Any, seeds: range) -> None:
    found = [findings(report(trained, seed, shift=0.5)) for seed in seeds]
    assert sum("skewed" in each for each in found) >= 0.95 * len(seeds)
    assert sum(set(each) - {"skewed"} != set() for each in found) <= len(seeds) // 100


@pytest.mark.parametrize("years", [range(1), pytest.param(range(1, 21), marks=pytest.mark.long)])
def test_a_year_of_weekly_reports_that_are_compared_with_each_other(trained: Any, years: range, tmp_path: Path) -> None:
    weeks = [date(2024, 7, 1) + timedelta(days=7 * number) for number in range(52 if len(years) > 1 else 10)]
    found = []
    for year in years:
        for number, first in enumerate(weeks):
            window = {"first": str(first), "last": str(first + timedelta(days=7))}
            one = report(trained, 2000 + 100 * year + number, folders=[tmp_path / str(year)], **window)
            write_report(one, tmp_path / str(year) / str(first) / "report.json")
            found += [(year, str(first), reasons)] if (reasons := alarms(one)) else []
    assert one["history"]["windows"] == len(weeks) - 1
    assert one["history"]["verdict"] == one["feedback"]["verdict"] == "ok"
    assert len(found) <= len(years) * len(weeks) // 100, found
