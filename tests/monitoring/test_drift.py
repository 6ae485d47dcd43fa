from __future__ import annotations

import doctest
import json

import numpy as np
import pytest

from nbship.monitoring import drift as module
from nbship.monitoring.drift import Counted, drift

LIMITS = {"alpha": 0.01 / 70, "min_rows": 200}
LOUD = {"warning", "alert"}


def _binned(values: np.ndarray, edges: np.ndarray) -> Counted:
    inside = values[~np.isnan(values)]
    counts = np.bincount(np.searchsorted(edges, inside, side="right"), minlength=len(edges) + 1)
    return Counted(tuple(map(str, range(len(edges) + 1))), counts, missing=int(np.isnan(values).sum()))


EDGES = np.quantile(np.random.default_rng(0).normal(0, 1, 100_000), np.linspace(0, 1, 11))
REFERENCE = _binned(np.random.default_rng(1).normal(0, 1, 20_000), EDGES)


def _verdict(values: np.ndarray, reference: Counted = REFERENCE) -> str:
    return str(drift("x", reference, _binned(values, EDGES), **LIMITS)["verdict"])


def test_half_a_standard_deviation_at_a_thousand_rows_is_seen() -> None:
    rng = np.random.default_rng(2)
    seen = [_verdict(rng.normal(0.5, 1, 1000)) in LOUD for _ in range(200)]
    assert np.mean(seen) >= 0.95


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_half_a_standard_deviation_of_a_binary_field_is_seen(share: float) -> None:
    rng = np.random.default_rng(3)
    reference = Counted(("no", "yes"), np.array([int(20_000 * (1 - share)), int(20_000 * share)]), ordered=False)
    shifted = share + 0.5 * np.sqrt(share * (1 - share))
    seen = []
    for yes in rng.binomial(1000, shifted, 200):
        current = Counted(("no", "yes"), np.array([1000 - yes, yes]), ordered=False)
        seen.append(drift("x", reference, current, **LIMITS)["verdict"] in LOUD)
    assert np.mean(seen) >= 0.95


@pytest.mark.parametrize("rows", [200, 1000, 20_000])
def test_unchanged_values_rarely_raise_an_alarm(rows: int) -> None:
    # 21 fields a report: at most one report in a hundred may be wrong.
    rng = np.random.default_rng(4)
    reports = [
        any(_verdict(rng.normal(0, 1, rows)) in LOUD for _ in range(21)) for _ in range(300 if rows < 5000 else 30)
    ]
    assert sum(reports) <= 1


def test_unchanged_rare_categories_rarely_raise_an_alarm() -> None:
    rng = np.random.default_rng(5)
    share = rng.dirichlet(np.full(3000, 0.3))
    false = 0
    for _ in range(200):
        before, now = rng.multinomial(20_000, share), rng.multinomial(1000, share)
        seen = before > 0
        labels = tuple(map(str, np.flatnonzero(seen)))
        reference = Counted(labels, before[seen], ordered=False, rare=int((before == 1).sum()))
        new = {str(k): int(now[k]) for k in np.flatnonzero(~seen & (now > 0))}
        verdict = drift("id", reference, Counted(labels, now[seen], ordered=False, new=new), **LIMITS)["verdict"]
        false += verdict in LOUD
    assert false == 0


@pytest.mark.parametrize("rows", [0, 1, 20, 199])
@pytest.mark.parametrize("shift", [0.0, 30.0])
def test_too_few_rows_are_insufficient_and_never_ok(rows: int, shift: float) -> None:
    record = drift("x", REFERENCE, _binned(np.random.default_rng(6).normal(shift, 1, rows), EDGES), **LIMITS)
    assert record["verdict"] == "insufficient"
    assert "a verdict needs 200" in record["reason"]


def test_a_reference_of_few_rows_is_insufficient_too() -> None:
    small = _binned(np.random.default_rng(7).normal(0, 1, 50), EDGES)
    assert drift("x", small, REFERENCE, **LIMITS)["verdict"] == "insufficient"


def test_a_missing_field_is_an_alert() -> None:
    record = drift("x", REFERENCE, None, **LIMITS)
    assert record["verdict"] == "alert"
    assert "do not have this field" in record["reason"]


def test_more_missing_values_are_a_finding() -> None:
    values = np.random.default_rng(8).normal(0, 1, 2000)
    values[:50] = np.nan
    record = drift("x", REFERENCE, _binned(values, EDGES), **LIMITS)
    assert record["verdict"] == "warning"
    assert record["reason"].startswith("Missing in 2.5% of the rows, against 0.0% in training.")
    assert record["missing"] == {"share": 0.025, "reference_share": 0.0}
    values[:500] = np.nan
    assert _verdict(values) == "alert"


def test_an_unchanged_share_of_missing_values_is_ok() -> None:
    values = np.full(500, np.nan)
    assert drift("x", _binned(values, EDGES), _binned(values, EDGES), **LIMITS)["verdict"] == "ok"


def test_new_categories_are_named() -> None:
    reference = Counted(("a", "b"), np.array([5000, 5000]), ordered=False)
    current = Counted(("a", "b"), np.array([470, 470]), ordered=False, new={"c": 50, "d": 10})
    record = drift("shop", reference, current, **LIMITS)
    assert record["verdict"] == "alert"
    assert "'c', 'd'" in record["reason"]
    assert record["new_categories"] == {"count": 2, "rows": 60, "share": 0.06, "most_frequent": ["c", "d"]}


SHAPES = {
    "empty": [],
    "one row": [0.5],
    "constant": [0.0] * 500,
    "constant elsewhere": [9.0] * 500,
    "all missing": [np.nan] * 500,
    "infinite": [np.inf, -np.inf] * 300,
    "half infinite, half missing": [np.inf, np.nan] * 300,
    "huge": [1e308, -1e308] * 300,
    "mixed": [0.0, np.nan, np.inf, 1.0] * 200,
}


@pytest.mark.parametrize("before", SHAPES)
@pytest.mark.parametrize("now", SHAPES)
def test_drift_never_raises_or_gives_nan(before: str, now: str) -> None:
    reference, current = (_binned(np.array(SHAPES[name], dtype=float), EDGES) for name in (before, now))
    record = drift("x", reference, current, **LIMITS)
    json.dumps(record, allow_nan=False)
    if min(reference.rows, current.rows) < 200:
        assert record["verdict"] == "insufficient"
    elif before == now:
        assert record["verdict"] == "ok"
    elif "constant" in before and "constant" in now:
        assert record["verdict"] == "alert"


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(module).failed == 0
