"""A field is judged by its own history, and broken data have checks of their own."""

from __future__ import annotations

import doctest
import importlib
import json
from typing import Any

import numpy as np
import pytest
from past_weeks import event_times, findings, judge, signature_of, train

from nbship.model.build.reference import describe

ROWS = 21_000  # a thousand a week


def _seasonal(rng: np.random.Generator, weeks: int, a_week: int) -> np.ndarray:
    """Return numbers whose mean wanders from week to week by about one standard deviation."""
    return np.concatenate([rng.normal(rng.normal(0, 1), 1, a_week) for _ in range(weeks)])


@pytest.fixture(scope="module")
def trained() -> Any:
    rng = np.random.default_rng(0)
    return train(
        {
            "steady": rng.normal(0, 1, ROWS),
            "seasonal": _seasonal(rng, 21, 1000),
            "shop": rng.choice(np.array(["a", "b", "c"], dtype=object), ROWS),
            "rare": np.where(rng.random(ROWS) < 0.02, 1.0, 0.0),
        },
        given={"steady": "shop"},
    )


def _window(rng: np.random.Generator, rows: int = 1000) -> dict[str, Any]:
    return {
        "steady": rng.normal(0, 1, rows),
        "seasonal": _seasonal(rng, 1, rows),
        "shop": rng.choice(np.array(["a", "b", "c"], dtype=object), rows),
        "rare": np.where(rng.random(rows) < 0.02, 1.0, 0.0),
    }


def test_windows_like_past_weeks_raise_no_alarm(trained: Any) -> None:
    rng = np.random.default_rng(1)
    reports = [judge(*trained, _window(rng)) for _ in range(40)]
    assert [findings(report) for report in reports] == [{}] * 40
    assert {record["kind"] for record in reports[0]["drift"]} == {"as between past periods"}
    assert reports[0]["promises"] == {"periods": 21, "days": 7, "false_alarms": 0.01, "distribution_free": 1 / 22, "reason": ""}  # fmt: skip


def test_half_a_standard_deviation_of_a_steady_field_is_found_and_of_a_seasonal_one_is_not(trained: Any) -> None:
    rng = np.random.default_rng(2)
    seen = []
    for _ in range(40):
        window = _window(rng)
        found = findings(judge(*trained, {**window, "steady": window["steady"] + 0.5, "seasonal": window["seasonal"] + 0.5}))  # fmt: skip
        assert "seasonal" not in found
        seen.append(found.get("steady"))
    assert seen.count("warning") >= 38


def test_a_rare_value_that_becomes_frequent_is_found(trained: Any) -> None:
    rng = np.random.default_rng(3)
    report = judge(*trained, {**_window(rng), "rare": np.where(rng.random(1000) < 0.12, 1.0, 0.0)})
    assert findings(report) == {"rare": "warning"}


def test_a_change_in_one_group_is_found_given_the_group(trained: Any) -> None:
    window = _window(np.random.default_rng(4))
    window["steady"] = np.where(window["shop"] == "b", window["steady"] + 1.5, window["steady"])
    report = judge(*trained, window)
    assert findings(report)["steady (shop b)"] == "warning"
    assert report["given"][1]["given"] == {"field": "steady", "by": "shop", "value": "b"}


def test_more_missing_values_than_on_any_day_are_broken_data(trained: Any) -> None:
    rng = np.random.default_rng(5)
    for share in (0.3, 1.0):
        window = _window(rng)
        window["steady"][rng.random(1000) < share] = np.nan
        report = judge(*trained, window)
        record = report["drift"][1]
        assert (record["field"], record["verdict"], record["kind"]) == ("steady", "alert", "broken data")
        assert record["reason"].startswith("Missing in")
        assert "against 0.0% in training" in record["reason"]
        assert report["headline"].startswith("Do not rely on these predictions until the data are checked")


def test_new_categories_are_broken_data_and_named(trained: Any) -> None:
    window = _window(np.random.default_rng(6))
    window["shop"][::50] = "z"
    record = judge(*trained, window)["drift"][3]
    assert (record["verdict"], record["kind"]) == ("alert", "broken data")
    assert record["reason"] == "1 value that is not in the training data, in 2.0% of the rows: 'z'."
    assert record["new_categories"] == {"count": 1, "rows": 20, "share": 0.02, "most_frequent": ["z"]}


def test_one_bad_week_of_a_month_is_found_and_dated(trained: Any) -> None:
    rng = np.random.default_rng(7)
    window = _window(rng, 4400)
    bad = slice(1400, 2100)  # a part of the weeks from the 8th and the 15th
    window["steady"][bad] += 3
    report = judge(*trained, window, last="2024-08-01")
    assert findings(report)["steady"] == "warning"
    history = report["drift"][1]["history"]
    assert list(history["pieces"]) == ["2024-07-01", "2024-07-08", "2024-07-15", "2024-07-22", "2024-07-25"]
    assert history["worst"] in ("2024-07-08", "2024-07-15")
    assert f"in the week from {history['worst']} is beyond that of past weeks" in report["drift"][1]["reason"]


def test_a_day_is_judged_by_past_days(trained: Any) -> None:
    rng = np.random.default_rng(8)
    window = _window(rng, 400)
    assert findings(judge(*trained, window, last="2024-07-02", row_counts=False)) == {}
    report = judge(*trained, {**window, "steady": window["steady"] + 1}, last="2024-07-02", row_counts=False)
    assert findings(report)["steady"] == "warning"
    assert report["promises"]["periods"] == 147


def test_with_a_year_of_training_data_a_window_is_compared_with_its_season() -> None:
    rng = np.random.default_rng(9)
    # The mean is 5 in April, 0 in July and January, and -5 in October.
    season = 5 * np.sin(np.arange(74 * 500) / 500 / 52.18 * 2 * np.pi)
    values = season + rng.normal(0, 3, len(season))
    trained = train({"x": values}, days=74 * 7)
    october, ordinary = -5 + rng.normal(0, 3, 500), rng.normal(0, 3, 500)
    assert findings(judge(*trained, {"x": ordinary}, first="2025-12-29", last="2026-01-05")) == {}
    report = judge(*trained, {"x": october}, first="2025-12-29", last="2026-01-05")
    assert findings(report)["x"] == "warning"
    assert report["drift"][1]["history"]["seasonal"] is True


def test_too_little_history_is_insufficient_and_never_ok() -> None:
    rng = np.random.default_rng(10)
    few = train({"x": rng.normal(0, 1, 5000)}, days=35)
    report = judge(*few, {"x": rng.normal(3, 1, 1000)})
    assert report["drift"][1]["verdict"] == "insufficient"
    assert report["drift"][1]["reason"] == "Insufficient history: The training data have 5 weeks; a verdict needs 12."
    assert report["promises"]["periods"] == 0
    # Broken data are found without a history of the distribution.
    assert findings(judge(*few, {"x": np.full(1000, np.nan)}))["x"] == "alert"
    columns = {"x": rng.normal(0, 1, 5000)}
    old = describe({"at": event_times(0, 147, 5000)[:0], "x": columns["x"][:0]}, signature_of(columns), outputs={"probability": np.empty(0)})  # fmt: skip
    report = judge(old, signature_of(columns), {"x": rng.normal(0, 1, 1000)})
    assert {record["verdict"] for record in report["drift"]} == {"insufficient"}


@pytest.mark.parametrize("rows", [1, 20, 199])
def test_too_few_rows_are_insufficient(trained: Any, rows: int) -> None:
    report = judge(*trained, {**_window(np.random.default_rng(11), rows), "steady": np.full(rows, 30.0)})
    assert {record["verdict"] for record in (*report["drift"], *report["data"])} == {"insufficient"}
    assert "a verdict needs 200" in report["drift"][0]["reason"]


def test_a_missing_field_is_an_alert(trained: Any) -> None:
    record = judge(*trained, {**_window(np.random.default_rng(12)), "steady": None})["drift"][1]
    assert (record["verdict"], record["kind"]) == ("alert", "broken data")
    assert "do not have this field" in record["reason"]


def test_rows_are_worth_what_their_days_are(trained: Any) -> None:
    rng = np.random.default_rng(13)
    window = _window(rng)
    window["steady"] = np.repeat(rng.normal(0, 1, 7), 143)[:1000]
    report = judge(*trained, window)
    worth = {record["field"]: int(record["effective_rows"] or 0) for record in report["drift"]}
    assert worth["steady"] in range(3, 15)
    assert worth["shop"] in range(300, 1001)


SHAPES = {
    "no rows": [],
    "one row": [0.5],
    "constant": [0.0] * 2000,
    "constant elsewhere": [9.0] * 2000,
    "all missing": [np.nan] * 2000,
    "infinite": [np.inf, -np.inf] * 1000,
    "half infinite, half missing": [np.inf, np.nan] * 1000,
    "huge": [1e308, -1e308] * 1000,
    "tiny": [5e-324, 0.0] * 1000,
    "mixed": [0.0, np.nan, np.inf, 1.0] * 500,
}


@pytest.mark.parametrize("before", SHAPES)
@pytest.mark.parametrize("now", SHAPES)
def test_no_shape_of_data_raises_or_gives_nan(before: str, now: str) -> None:
    reference, signature = train({"x": np.array(SHAPES[before], dtype=float)}, days=84)
    report = judge(reference, signature, {"x": np.array(SHAPES[now], dtype=float)}, first="2024-04-01", last="2024-04-08", row_counts=False)  # fmt: skip
    json.dumps(report, allow_nan=False)
    verdict = report["drift"][1]["verdict"]
    if min(len(SHAPES[before]), len(SHAPES[now])) < 200:
        assert verdict == "insufficient"
    elif before == now and "missing" not in before and "infinite" not in before:
        assert verdict == "ok"
    elif now == "all missing" and "missing" not in before and "infinite" not in before:
        assert verdict == "alert"


@pytest.mark.parametrize("name", ["drift.bands", "drift.distance", "drift.hints", "drift.past", "verdict"])
def test_the_examples_in_the_docstrings_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"nbship.monitoring.{name}")).failed == 0
