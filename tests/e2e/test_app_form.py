"""The app in a real browser: what it answers, and logs, is what the form shows, or the form says why it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from browser import free_port, new_page, require_browser, wait_for
from packages import ZONE, build_small
from waiting import PATIENCE

from nbship.model import Field
from nbship.prediction_log import open_log

require_browser()

FIELDS = [
    Field("count", "int", minimum=0, maximum=100, example=5, title="Count"),
    Field("serial", "int", key=True, example=2**62 + 1, title="Serial"),
    Field("ratio", "float", minimum=-1.0, maximum=1.0, example=0.1 + 0.2, title="Ratio"),
    Field("shop", "category", categories=("north", "south"), example="north", title="Shop"),
    Field("brand", "category", categories=("acme",), open=True, nullable=True, example="acme", title="Brand"),
    Field("remark", "string", nullable=True, example="fine", title="Remark"),
    Field(
        "made", "datetime", nullable=True, timezone=ZONE, title="Made",
        minimum="2000-01-01T00:00:00-05:00", maximum="2030-12-31T23:59:00-05:00", example="2013-06-01T08:30:00-04:00",
    ),
    Field("fresh", "bool", example=True, title="Fresh"),
    Field("glued", "bool", nullable=True, example=True, title="Glued"),
]  # fmt: skip
# The inputs of the form that hold text, and their titles.
BOXES = {
    "line": "Line", "size": "Size", "weight": "Weight (kg)", "at": "When (New York time)",
    **{field.name: field.title for field in FIELDS if field.name != "fresh"}, "made": "Made (New York time)",
}  # fmt: skip


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("form")


@pytest.fixture(scope="module")
def address(state: Path) -> Iterator[str]:
    package = build_small(state, fields=FIELDS, relations=["made < at"])
    port = free_port()
    command = [sys.executable, "-m", "nbship", "app", str(package), "--port", str(port), "--no-open"]
    environ = {**os.environ, "NBSHIP_STATE": str(state)}
    with (state / "app.log").open("w") as output:
        server = subprocess.Popen(command, cwd=state, env=environ, stdout=output, stderr=output)
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", server, state / "app.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with new_page(height=1400) as page:
        yield page


@pytest.fixture
def page(browser: Any, address: str) -> Any:
    browser.goto(address)
    browser.get_by_role("button", name="Predict").wait_for()
    return browser


Act = Callable[[Any], None]


def write(title: str, text: str) -> Act:
    return lambda page: page.get_by_label(title, exact=True).fill(text)


def choose(title: str, text: str, *keys: str) -> Act:
    """Type into a box with choices; without keys, the focus moves on."""

    def act(page: Any) -> None:
        page.get_by_label(title, exact=True).click()
        page.get_by_label(title, exact=True).fill(text)
        for key in keys:
            page.keyboard.press(key)

    return act


def empty(title: str) -> Act:
    return lambda page: page.get_by_test_id("stSelectbox").filter(has_text=title).get_by_label("Clear value").click()


def switch(title: str) -> Act:
    return lambda page: page.get_by_test_id("stCheckbox").filter(has_text=title).click()


AT, MADE = "When (New York time)", "Made (New York time)"
NEVER = "occurs twice, or never, in America/New_York: add an offset"
# What is done on the form, for every kind of field at once.
ANSWERED: dict[str, list[Act]] = {
    "as it opens": [],
    "inside": [
        write("Count", "17"), write("Serial", str(2**63 - 1)), write("Ratio", "0.12345678901234567"),
        choose("Shop", "south", "Enter"), choose("Brand", "zenith", "Enter"), write("Remark", "Straße <b>7</b>"),
        switch("Fresh"), choose("Glued", "No", "Enter"), write(MADE, "2013-11-03 01:30:07-05:00"),
        write(AT, "2026-12-20 09:07"),
    ],
    "at the limits": [
        write("Count", "100"), write("Serial", "-3"), write("Ratio", "-1"), write(AT, "9999-12-31 18:59:59.999999"),
        write(MADE, "2000-01-01 00:00"),
    ],
    "empty": [
        write("Weight (kg)", ""), empty("Brand"), write("Remark", ""), empty("Glued"), write(MADE, ""),
        write(AT, "0001-01-02 00:00"),
    ],
    "what a widget does not take": [
        choose("Shop", "east", "Enter"), choose("Brand", "zenith"), write("Ratio", "1e-300"),
        write(AT, "2099-12-20T08:30:00.000001"), write(MADE, "20140228"),
    ],
    "what a widget corrects": [choose("Shop", "east"), write("Count", "0")],
}  # fmt: skip
# What is done on the form, and the messages that it shows.
REJECTED: dict[str, tuple[list[Act], list[str]]] = {
    "beyond the limits": (
        [write("Count", "101"), write("Serial", str(2**63)), write("Ratio", "1.0000000000000002"), write(AT, "")],
        ["Is '101', above the maximum, 100", "is too large to be stored exactly", "above the maximum, 1.", "Fill in this field"],
    ),
    "beyond all numbers": (
        [write("Count", "9" * 20), write("Ratio", "1e400"), write(MADE, "2013-03-10 02:30"), write(AT, "9999-12-31 23:59")],
        ["is too large to be stored exactly", "Is '1e400', which is not a number", NEVER, "is too early or too late"],
    ),
    "decimals, a comma, an hour that occurs twice": (
        [write("Count", "12.5"), write("Ratio", "0,5"), empty("Shop"), write(MADE, "2013-11-03 01:30"), write(AT, "tomorrow")],
        [
            "Is '12.5', which is not an integer", "Is '0,5', which is not a number", "Fill in this field", NEVER,
            "Is 'tomorrow', which is not a timestamp such as 2024-01-31 08:00",
        ],
    ),
    "separators, a date before the limit, no such date": (
        [write("Count", "1,431"), write(MADE, "1999-12-31 23:59"), write(AT, "2026-02-30 08:00")],
        [
            "Is '1,431', which is not an integer", "Is before 2000-01-01T00:00:00-05:00",
            "Is '2026-02-30 08:00', which is not a timestamp",
        ],
    ),
    "nothing, a date after the limit": (
        [write("Count", ""), write(MADE, "2031-01-01 00:00")],
        ["Fill in this field", "Is after 2030-12-31T23:59:00-05:00"],
    ),
    "below the limit": ([write("Count", "-1")], ["Is '-1', below the minimum, 0"]),
    "dates in the wrong order": ([write(MADE, "2026-12-20 08:30")], ["Is not after 'Made'"]),
}  # fmt: skip


@pytest.mark.parametrize("case", ANSWERED)
def test_what_is_answered_is_what_the_form_shows(page: Any, state: Path, case: str) -> None:
    for act in ANSWERED[case]:
        act(page)
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Predict").click()
    page.get_by_test_id("risk").wait_for()
    record = _logged(page, state)
    shown = _shown(page)
    assert {name: _as_shown(record[name], name, shown[name]) for name in shown} == shown
    asked = page.get_by_test_id("asked").inner_text().split("\n")
    assert asked.count("not given") == [*record.values()].count(None)
    assert set(asked) >= {str(record["serial"]), record["shop"]}


@pytest.mark.parametrize("case", REJECTED)
def test_what_is_not_answered_is_named_on_the_form(page: Any, case: str) -> None:
    actions, messages = REJECTED[case]
    for act in actions:
        act(page)
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Predict").click()
    page.get_by_text("Some fields are not valid").wait_for()
    for message in messages:
        page.get_by_text(message).first.wait_for()
    assert page.get_by_test_id("stAlert").filter(visible=True).count() == len(messages) + 1
    assert page.get_by_test_id("risk").count() == 0


def _logged(page: Any, state: Path) -> dict[str, Any]:
    """Return the inputs of the prediction that the page shows, as the log has them."""
    caption = page.get_by_text("Prediction 0").inner_text()
    with open_log(state / "predictions.sqlite") as log:
        return json.loads(log.find(caption.split()[1]).inputs or "")


def _shown(page: Any) -> dict[str, str]:
    """Return what the form shows."""
    texts = {name: page.get_by_label(title, exact=True).input_value() for name, title in BOXES.items()}
    texts["fresh"] = "on" if page.get_by_label("Fresh").is_checked() else "off"
    return texts


def _as_shown(value: Any, name: str, shown: str) -> str:
    """Return how the form shows a logged value; of a number, the text on the form if it is the same number."""
    if value is None:
        return ""
    if name in ("at", "made"):
        given = datetime.fromisoformat(shown)
        # The form is on the clock of New York, unless it gives an offset.
        given = given if given.tzinfo else given.replace(tzinfo=ZoneInfo(ZONE))
        return shown if given == datetime.fromisoformat(value) else str(value)
    if isinstance(value, bool):
        return {"fresh": ("off", "on"), "glued": ("No", "Yes")}[name][value]
    if isinstance(value, (int, float)):
        return shown if type(value)(shown) == value else str(value)
    return str(value)


def test_an_answer_goes_when_the_form_changes_and_comes_back_with_it(page: Any) -> None:
    page.get_by_role("button", name="Predict").click()
    page.get_by_test_id("risk").wait_for()
    count = page.get_by_label("Count", exact=True)
    before = count.input_value()
    for text in ("6", "many", ""):
        count.fill(text)
        page.keyboard.press("Tab")
        page.get_by_text("The form has changed since the last answer").wait_for()
        assert page.get_by_test_id("risk").count() == 0
        assert page.get_by_test_id("asked").count() == 0
    count.fill(before)
    page.keyboard.press("Tab")
    page.get_by_test_id("risk").wait_for()


def test_values_that_training_never_saw_are_named(page: Any) -> None:
    choose("Brand", "*zenith* $1$ :red[x] `y` <i>", "Enter")(page)
    write("Count", "99")(page)
    empty("Glued")(page)
    page.get_by_role("button", name="Predict").click()
    page.get_by_test_id("risk").wait_for()
    page.get_by_text("Brand: '*zenith* $1$ :red[x] `y` <i>' does not occur in the training data.").wait_for()
    page.get_by_text("Count: 99 is outside the training data, which go from 5 to 5.").wait_for()
    page.get_by_text("Glued was always given in training.").wait_for()
    assert page.get_by_test_id("risk").count() == 1


def test_a_click_that_also_ends_a_change_is_answered(page: Any, state: Path) -> None:
    write("Count", "101")(page)
    page.get_by_role("button", name="Predict").click()
    page.get_by_text("above the maximum, 100").wait_for()
    write("Count", "42")(page)
    page.get_by_role("button", name="Predict").click()
    page.get_by_test_id("risk").wait_for()
    assert _logged(page, state)["count"] == 42
