"""Windows of any shape have a report: no exception, no NaN, and too little data is `insufficient`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from past_weeks import judge, train

from nbship.monitoring import plots, tables

NAN, INF = np.nan, np.inf
Window = dict[str, Any]
Shape = Callable[[Window], None]


def columns_of(random: Any, number: int) -> Window:
    return {
        "size": random.normal(size=number),
        "flag": random.integers(0, 2, number).astype(float),
        "shop": random.choice(np.array(["a", "b", "c"], dtype=object), number),
        "good": random.choice(np.array(["x", "y", None], dtype=object), number),
    }


@pytest.fixture(scope="module")
def trained() -> Any:
    return train(columns_of(np.random.default_rng(0), 8400), given={"size": "shop"})


def set_all(name: str, value: Any) -> Shape:
    def change(window: Window) -> None:
        window[name] = np.full(len(window[name]), value, dtype=window[name].dtype)

    return change


def set_some(name: str, value: Any, share: float = 0.3) -> Shape:
    def change(window: Window) -> None:
        rows = np.random.default_rng(1).random(len(window[name])) < share
        window[name] = np.where(rows, value, window[name]).astype(window[name].dtype)

    return change


def leave_out(name: str) -> Shape:
    def change(window: Window) -> None:
        window[name] = None

    return change


def both(*changes: Shape) -> Shape:
    def change(window: Window) -> None:
        for each in changes:
            each(window)

    return change


def distinct(window: Window) -> None:
    window["shop"] = np.array([f"order {number}" for number in range(len(window["shop"]))], dtype=object)


def labels_of_one_day(window: Window) -> None:
    window["actual"][len(window["actual"]) // 7 :] = NAN


SHAPES: dict[str, Shape] = {
    "ordinary": lambda window: None,
    "a number that is missing": set_all("size", NAN),
    "a third missing": set_some("size", NAN),
    "a constant": set_all("size", 0.5),
    "a constant outside": set_all("size", 1e6),
    "infinite": set_all("size", INF),
    "some infinite": set_some("size", -INF),
    "largest": set_all("size", 1.7e308),
    "smallest": set_all("size", 5e-324),
    "some large": set_some("size", 1e300, 0.01),
    "a flag that is constant": set_all("flag", 1.0),
    "a flag of other values": set_all("flag", 0.5),
    "a category that is missing": set_all("shop", None),
    "a new category": set_all("shop", "z"),
    "some of a new category": set_some("shop", "z", 0.02),
    "an empty category": set_some("shop", ""),
    "a long category": set_some("shop", "z" * 10_000),
    "a category of odd letters": set_some("shop", "\x00\u202e<b>"),
    "a category for each row": distinct,
    "a new combination": both(set_some("shop", "a"), set_some("good", "x")),
    "one category": both(set_all("shop", "a"), set_all("good", "y")),
    "without a number": leave_out("size"),
    "without a category": leave_out("shop"),
    "without all": both(*map(leave_out, ("size", "flag", "good"))),
    "predictions of 0": set_all("scores", 0.0),
    "predictions of 1": set_all("scores", 1.0),
    "predictions of 0 and 1": set_some("scores", 1.0, 0.5),
    "one prediction": set_all("scores", 0.25),
    "one class": set_all("actual", 1.0),
    "the other class": set_all("actual", 0.0),
    "labels of one row": lambda window: window["actual"].__setitem__(slice(1, None), NAN),
    "labels of one day": labels_of_one_day,
    "no labels": set_all("actual", NAN),
    "all at one time": lambda window: window.update(at=np.full(len(window["scores"]), np.datetime64("2024-07-03T05:00", "us"))),
    "copies": lambda window: window.update({name: np.repeat(window[name][:1], len(window["scores"])) for name in ("size", "flag", "shop", "good")}),
}  # fmt: skip


def report(trained: Any, shape: Shape, rows: int, *, seed: int = 2) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    scores = random.random(rows)
    window = columns_of(random, rows) | {"scores": scores, "actual": (random.random(rows) < scores).astype(float)}
    shape(window)
    about = {name: window.pop(name) for name in ("scores", "actual", "at") if name in window}
    found = judge(*trained, window, **about, held_out={"auc": 0.8, "n": 500, "positives": 250}, slices=[])
    json.dumps(found, allow_nan=False)
    return found


def draw(found: dict[str, Any]) -> int:
    """Draw every figure and table of a report; return the number of figures."""
    drawn = 0
    for name in tables.__all__:
        shown = getattr(tables, name)(found)
        assert isinstance(shown, str) or "<table" in shown._repr_html_()
    for name in plots.__all__:
        if (figure := getattr(plots, name)(found)) is not None:
            figure.canvas.draw()
            drawn += 1
    return drawn


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_a_window_has_a_report(trained: Any, shape: Shape) -> None:
    found = report(trained, shape, 1400)
    assert found["verdict"] in ("ok", "notice", "insufficient", "warning", "alert")
    assert found["headline"].endswith((".", "?"))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_few_rows_are_insufficient(trained: Any, shape: Shape) -> None:
    found = report(trained, shape, 20)
    judged = [record for record in found["drift"] if record["reason"] != "The logged inputs do not have this field."]
    assert {record["verdict"] for record in judged} == {"insufficient"}
    for name in ("volume", "prediction_drift", "performance", "feedback", "history"):
        assert found[name]["verdict"] == "insufficient", name


@pytest.mark.parametrize("rows", [1, 2, 199, 200])
def test_a_number_of_rows(trained: Any, rows: int) -> None:
    found = report(trained, SHAPES["ordinary"], rows)
    assert (found["volume"]["verdict"] == "insufficient") == (rows < 200)


@pytest.mark.parametrize("name", ["infinite", "a category of odd letters", "one class", "no labels", "without all"])
def test_tables_and_figures_of_odd_windows(trained: Any, name: str) -> None:
    # At least the rows by day, the inputs and the predictions.
    assert draw(report(trained, SHAPES[name], 1400)) >= 3
