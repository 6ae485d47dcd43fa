"""Values and combinations that training never had are named, with their rows, first day, and errors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from past_weeks import train

from nbship.model.build.reference.reference_file import dump_reference, load_reference
from nbship.monitoring.coding import InputCodes
from nbship.monitoring.performance import Pairs, new_segments

ALPHA, ROWS = 1e-3, 21_000
SHOPS, GOODS = (np.array(list(names), dtype=object) for names in ("abcde", "wxyz"))


def columns_of(random: Any, number: int) -> dict[str, Any]:
    """Return shops and goods; shop 'a' never sells 'w'."""
    shop, good = random.choice(SHOPS, number), random.choice(GOODS, number)
    return {"shop": shop, "good": np.where((shop == "a") & (good == "w"), "x", good).astype(object)}


@pytest.fixture(scope="module")
def reference() -> Any:
    return load_reference(dump_reference(train(columns_of(np.random.default_rng(0), ROWS))[0]))


def find(reference: Any, columns: dict[str, Any], *, worse: Any = False, labelled: bool = True, **options: Any) -> Any:
    """Return the new segments of a month of predictions; where they are `worse`, the error is three times as large."""
    random, number = np.random.default_rng(5), len(columns["shop"])
    coder = InputCodes({name: reference.fields[name] for name in columns})
    frame = pd.DataFrame(
        {
            "event_time": pd.Timestamp("2024-07-01T05:00", tz="UTC") + pd.to_timedelta(np.arange(number) * 30 / number, unit="D"),
            "predicted": 0.1,
            "actual": (random.random(number) < np.where(worse, 0.35, 0.1)).astype(float) if labelled else np.nan,
        }
    )  # fmt: skip
    frame, inputs = coder.take_from(frame.assign(**coder.encode(columns)))
    found = new_segments(frame, inputs, Pairs(reference.pairs, ROWS), kind="probability", alpha=ALPHA, **options)
    json.dumps(found, allow_nan=False)
    return found


def test_windows_like_the_training_data_have_none(reference: Any) -> None:
    assert [find(reference, columns_of(np.random.default_rng(seed), 3000)) for seed in range(20)] == [[]] * 20


def test_a_new_value_is_named_with_its_first_day(reference: Any) -> None:
    columns = columns_of(np.random.default_rng(1), 6000)
    columns["shop"][3001::20] = "ZZ"  # from the sixteenth day on
    (found,) = find(reference, columns)
    assert found["where"] == [{"field": "shop", "value": "ZZ"}]
    assert (found["rows"], found["first_seen"], found["verdict"]) == (150, "2024-07-16", "notice")
    assert found["reason"].startswith("150 rows (2.5%) have shop 'ZZ', which training never had; first seen on 2024-07-16. The error there is ")  # fmt: skip
    assert found["reason"].endswith("(150 rows with a label).")


def test_a_new_combination_is_named(reference: Any) -> None:
    columns = columns_of(np.random.default_rng(2), 6000)
    columns["shop"][::60], columns["good"][::60] = "a", "w"
    (found,) = find(reference, columns, labelled=False)
    assert {one["field"]: one["value"] for one in found["where"]} == {"shop": "a", "good": "w"}
    assert (found["rows"], found["labelled"], found["error"]) == (100, 0, None)
    assert "have the combination of shop 'a' and good 'w', which training hardly ever had" in found["reason"]
    assert found["reason"].endswith("None of them has a label yet.")


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(3, 60), marks=pytest.mark.long)])
def test_a_new_segment_with_three_times_the_error_is_a_warning(reference: Any, seeds: range) -> None:
    warned = 0
    for seed in seeds:
        columns = columns_of(np.random.default_rng(seed), 10_000)
        inside = np.random.default_rng(seed).random(10_000) < 0.02
        columns["shop"][inside] = "ZZ"
        (found,) = find(reference, columns, worse=inside)
        warned += found["verdict"] == "warning"
    assert warned >= 0.95 * len(seeds)


def test_a_segment_of_an_earlier_window_keeps_its_first_day(reference: Any) -> None:
    columns = columns_of(np.random.default_rng(3), 3000)
    columns["shop"][::20] = "ZZ"
    before = find(reference, columns)
    before[0]["first_seen"] = "2024-05-03"
    (found,) = find(reference, columns, earlier=[before, []])
    assert found["first_seen"] == "2024-05-03"


def test_a_segment_of_all_rows_has_nothing_to_compare_with(reference: Any) -> None:
    columns = columns_of(np.random.default_rng(8), 3000)
    columns["shop"][:] = "ZZ"
    (found,) = find(reference, columns)
    assert (found["share"], found["others"], found["verdict"]) == (1.0, None, "notice")
    assert found["reason"].endswith("No other row has a label, to compare the error with.")


def test_a_key_with_a_thousand_new_values_is_not_a_segment(reference: Any) -> None:
    columns = columns_of(np.random.default_rng(4), 6000)
    columns["shop"] = np.array([f"order {k}" for k in range(6000)], dtype=object)
    assert find(reference, columns) == []


def test_packages_without_combinations_have_new_values_only(reference: Any) -> None:
    columns = columns_of(np.random.default_rng(6), 6000)
    columns["shop"][::30], columns["shop"][1::60], columns["good"][1::60] = "ZZ", "a", "w"
    coder = InputCodes({name: reference.fields[name] for name in columns})
    frame = pd.DataFrame({"event_time": pd.date_range("2024-07-01", periods=6000, freq="min", tz="UTC"), "predicted": 0.1, "actual": np.nan})  # fmt: skip
    frame, inputs = coder.take_from(frame.assign(**coder.encode(columns)))
    found = new_segments(frame, inputs, None, kind="probability", alpha=ALPHA)
    assert [one["where"] for one in found] == [[{"field": "shop", "value": "ZZ"}]]


def test_a_new_integer_is_named_and_values_between_are_not() -> None:
    random = np.random.default_rng(9)
    trained, _ = train({"engines": random.integers(1, 4, ROWS).astype(float), "size": random.normal(size=ROWS)})
    coder = InputCodes({name: trained.fields[name] for name in ("engines", "size")})
    engines = random.integers(1, 4, 6000).astype(float)
    engines[::40], engines[1::40], engines[2::40], engines[3::40] = 4.0, 2.5, np.nan, np.inf
    frame = pd.DataFrame({"event_time": pd.date_range("2024-07-01", periods=6000, freq="min", tz="UTC"), "predicted": 0.1, "actual": np.nan})  # fmt: skip
    frame, inputs = coder.take_from(
        frame.assign(**coder.encode({"engines": engines, "size": random.normal(size=6000)}))
    )
    assert list(inputs["engines"].labels[:4]) == ["1", "2", "3", "missing"]
    assert [int((inputs["engines"].codes == code).sum()) for code in (-1, 3, 4)] == [150, 300, 150]
    (found,) = new_segments(frame, inputs, None, kind="probability", alpha=ALPHA)
    assert (found["where"], found["rows"]) == ([{"field": "engines", "value": "4"}], 150)
    assert inputs["size"].labels[0].startswith("below -")


@pytest.mark.parametrize("trained", [0.0, -0.0])
def test_negative_zero_is_zero(trained: float) -> None:
    reference, _ = train({"floors": np.where(np.arange(ROWS) % 2, 1.0, trained)})
    coder = InputCodes({"floors": reference.fields["floors"]})
    frame, inputs = coder.take_from(pd.DataFrame(coder.encode({"floors": np.array([-0.0, 0.0, 1.0, -0.0])})))
    assert len(frame) == 4
    assert inputs["floors"].codes.tolist() == [0, 0, 1, 0]
    assert list(inputs["floors"].labels) == ["0", "1", "missing"]
