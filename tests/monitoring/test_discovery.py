"""A slice with larger errors is found first, and noise has none."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
from past_weeks import train

from nbship.monitoring.coding import Coded, InputCodes
from nbship.monitoring.conclusion.phrases import found_words
from nbship.monitoring.performance import Errors, discovered
from nbship.monitoring.performance import discover as discover_errors

FIELDS = 12


def discover(fields: Any, error: Any, day: Any, *, alpha: float) -> list[dict[str, Any]]:
    """Find slices where all rows have the same prediction."""
    return discover_errors(fields, Errors(error, np.ones(len(error)), day), alpha=alpha)


def rows(seed: int, number: int = 20_000) -> tuple[Any, Any, Any, Any]:
    random = np.random.default_rng(seed)
    fields = {
        f"field {k}": Coded(random.integers(-1, 10, number).astype(np.int8), [f"value {n}" for n in range(10)])
        for k in range(FIELDS)
    }
    day = np.sort(random.integers(30, size=number))
    # Errors of days differ, as on stormy ones.
    error = random.exponential(0.15, number) * np.exp(random.normal(scale=0.3, size=30))[day]
    return fields, error, day, random


def planted(seed: int, share: float = 0.02) -> tuple[Any, Any, Any]:
    """Return rows of which some, with one value of two fields each, have three times the error."""
    fields, error, day, random = rows(seed)
    inside = random.random(len(error)) < share
    for name, code in (("field 3", 7), ("field 8", 2)):
        other = fields[name].codes.copy()
        other[inside] = code
        fields[name] = Coded(other, fields[name].labels)
    together = (fields["field 3"].codes == 7) & (fields["field 8"].codes == 2)
    return fields, np.where(together, 3 * error, error), day


@pytest.mark.parametrize("seeds", [range(8), pytest.param(range(8, 100), marks=pytest.mark.long)])
def test_a_planted_slice_comes_first(seeds: range) -> None:
    first = 0
    for seed in seeds:
        found = discover(*planted(seed), alpha=0.01)
        where = {(one["field"], one["value"]) for one in found[0]["where"]} if found else set()
        first += where == {("field 3", "value 7"), ("field 8", "value 2")}
    assert first >= 0.95 * len(seeds)


@pytest.mark.parametrize("seeds", [range(8), pytest.param(range(8, 100), marks=pytest.mark.long)])
def test_noise_has_no_slice(seeds: range) -> None:
    named = sum(bool(discover(*rows(seed)[:3], alpha=0.01)) for seed in seeds)
    assert named <= len(seeds) // 100 + (len(seeds) > 50)


def test_one_field_is_named_where_one_is_enough() -> None:
    fields, error, day, _ = rows(1)
    inside = fields["field 5"].codes == 4
    found = discover(fields, np.where(inside, 2.5 * error, error), day, alpha=0.01)
    assert [one["where"] for one in found] == [[{"field": "field 5", "value": "value 4"}]]
    assert found[0]["rows"] == inside.sum()
    assert found[0]["error"] == pytest.approx(2.5 * found[0]["others"], rel=0.1)


def test_one_bad_day_is_no_slice() -> None:
    fields, error, day, _ = rows(2)
    inside = (fields["field 5"].codes == 4) & (day == 11)
    assert discover(fields, np.where(inside, 20 * error, error), day, alpha=0.01) == []


@pytest.mark.parametrize("number", [0, 1, 60, 500])
def test_hardly_any_rows(number: int) -> None:
    fields, error, day, _ = rows(3, number)
    assert discover(fields, error, day, alpha=0.01) == []


def test_a_column_of_different_values_takes_no_memory() -> None:
    number = 60_000
    random = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "event_time": pd.date_range("2024-03-01", periods=number, freq="10s", tz="UTC"),
            "predicted": 0.5,
            "actual": random.random(number) < 0.5,
            "order": random.permutation(number),
            "customer": random.integers(30_000, size=number),
            "shop": random.choice(["a", "b", "c"], number),
        }
    )
    frame.loc[frame["shop"] == "b", "predicted"] = 0.0
    tracemalloc.start()
    try:
        found = discovered(frame, ["order", "customer", "shop"], kind="probability", alpha=0.01)
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()
    assert [one["where"] for one in found] == [[{"field": "shop", "value": "b"}]]


def test_an_error_of_zero_elsewhere_is_said_in_words() -> None:
    fields, error, day, _ = rows(6)
    inside = fields["field 5"].codes == 4
    (found,) = discover(fields, np.where(inside, error, 0.0), day, alpha=0.01)
    assert found["others"] == 0.0
    words = found_words(found)
    assert words.startswith("where field 5 is value 4, the error is 0.1")
    assert ", and 0 in other rows with such predictions (" in words


def test_equal_errors_have_no_slice() -> None:
    fields, error, day, _ = rows(4, 2000)
    assert discover(fields, np.zeros_like(error), day, alpha=0.01) == []


CATEGORIES = np.array(["a", "b", "c", "d", "e"], dtype=object)


def inputs_of(random: Any, number: int) -> dict[str, Any]:
    return {f"size {k}": random.normal(size=number) for k in range(8)} | {
        f"shop {k}": random.choice(CATEGORIES, number) for k in range(4)
    }


@pytest.fixture(scope="module")
def codes() -> Any:
    reference, _ = train(inputs_of(np.random.default_rng(0), 21_000))
    return lambda: InputCodes({name: each for name, each in reference.fields.items() if each.role == "input" and name != "at"})  # fmt: skip


def window(codes: Any, seed: int, *, is_planted: bool) -> tuple[pd.DataFrame, Any]:
    """Return 20,000 predictions of a month, whose days differ; in a tenth of one size and one shop, the error is three times as large."""
    random, number = np.random.default_rng(seed), 20_000
    inputs, coder = inputs_of(random, number), codes()
    day = np.sort(random.integers(30, size=number))
    worse = (inputs["size 2"] > 1.2816) & (inputs["shop 1"] == "d") & is_planted
    rate = np.clip(0.1 * np.exp(random.normal(scale=0.4, size=30))[day], 0, 1)
    frame = pd.DataFrame(
        {
            "event_time": pd.Timestamp("2024-07-01", tz="UTC") + pd.to_timedelta(day, unit="D"),
            "predicted": rate,
            "actual": (random.random(number) < np.where(worse, 0.35, rate)).astype(float),
        }
    ).assign(**coder.encode(inputs))
    return coder.take_from(frame)


@pytest.mark.parametrize("seeds", [range(4), pytest.param(range(4, 100), marks=pytest.mark.long)])
def test_a_planted_slice_of_the_inputs_comes_first(codes: Any, seeds: range) -> None:
    first = 0
    for seed in seeds:
        frame, inputs = window(codes, seed, is_planted=True)
        found = discovered(frame, [], inputs=inputs, kind="probability", alpha=1e-3)
        where = {one["field"]: one["value"] for one in found[0]["where"]} if found else {}
        first += where.get("shop 1") == "d" and where.get("size 2", "").startswith("1.2")
    assert first >= 0.95 * len(seeds)


@pytest.mark.parametrize("seeds", [range(4), pytest.param(range(4, 100), marks=pytest.mark.long)])
def test_inputs_without_an_effect_have_no_slice(codes: Any, seeds: range) -> None:
    named = 0
    for seed in seeds:
        frame, inputs = window(codes, 1000 + seed, is_planted=False)
        named += bool(discovered(frame, [], inputs=inputs, kind="probability", alpha=1e-3))
    assert named <= len(seeds) // 100


def test_an_input_that_stays_the_same_for_days_is_no_slice_of_bad_days() -> None:
    named = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        day = np.sort(random.integers(30, size=12_000))
        fields = {f"weather {k}": Coded(random.integers(5, size=30)[day], [f"kind {n}" for n in range(5)]) for k in range(12)}  # fmt: skip
        error = random.exponential(0.15, len(day)) * np.exp(random.normal(scale=0.8, size=30))[day]
        named += bool(discover(fields, error, day, alpha=0.01))
    assert named == 0


def test_hundreds_of_inputs_take_bounded_memory() -> None:
    random, number = np.random.default_rng(7), 20_000
    fields = {f"field {k}": Coded(random.integers(100, size=number).astype(np.int16), [str(n) for n in range(100)]) for k in range(150)}  # fmt: skip
    day = np.sort(random.integers(30, size=number))
    error = random.exponential(0.15, number)
    inside = fields["field 77"].codes == 5
    tracemalloc.start()
    try:
        found = discover(fields, np.where(inside, 4 * error, error), day, alpha=0.01)
        assert tracemalloc.get_traced_memory()[1] < 150e6
    finally:
        tracemalloc.stop()
    assert [one["where"] for one in found] == [[{"field": "field 77", "value": "5"}]]


def values(codes: Any, seed: int, *, is_planted: bool) -> tuple[pd.DataFrame, Any]:
    """Return predicted values whose errors grow with their size, which an input decides."""
    random, number = np.random.default_rng(seed), 20_000
    inputs, coder = inputs_of(random, number), codes()
    day = np.sort(random.integers(30, size=number))
    predicted = 10 * np.exp(0.7 * inputs["size 0"])
    worse = (inputs["size 2"] > 1.2816) & (inputs["shop 1"] == "d") & is_planted
    error = 0.2 * predicted * np.exp(random.normal(scale=0.3, size=30))[day] * np.where(worse, 3, 1)
    frame = pd.DataFrame(
        {
            "event_time": pd.Timestamp("2024-07-01", tz="UTC") + pd.to_timedelta(day, unit="D"),
            "predicted": predicted,
            "actual": predicted + error * random.normal(size=number),
        }
    ).assign(**coder.encode(inputs))
    return coder.take_from(frame)


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(3, 100), marks=pytest.mark.long)])
@pytest.mark.parametrize("is_planted", [True, False])
def test_large_values_with_large_errors_are_no_slice(codes: Any, seeds: range, is_planted: bool) -> None:
    right = 0
    for seed in seeds:
        frame, inputs = values(codes, seed, is_planted=is_planted)
        found = discovered(frame, [], inputs=inputs, kind="value", alpha=1e-3)
        first = {one["field"] for one in found[0]["where"]} if found else set()
        right += first == ({"shop 1", "size 2"} if is_planted else set())
    assert right >= (0.95 if is_planted else 0.99) * len(seeds)
