"""The Streamlit app in a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import free_port, new_page, require_browser, wait_for
from packages import build_small
from waiting import PATIENCE

from nbship.model import Field
from nbship.prediction_log import open_log

require_browser()


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="module")
def package(state: Path) -> Path:
    return build_small(state, fields=[Field("owner", "string", title="Owner", example="Ann")])


@pytest.fixture(scope="module")
def address(package: Path, state: Path) -> Iterator[str]:
    port = free_port()
    environ = {**os.environ, "NBSHIP_STATE": str(state)}
    command = [sys.executable, "-m", "nbship", "app", str(package), "--port", str(port), "--no-open"]
    with (state / "app.log").open("w") as output:
        server = subprocess.Popen(command, cwd=state, env=environ, stdout=output, stderr=output)
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", server, state / "app.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(PATIENCE)


@pytest.fixture
def page(address: str):
    with new_page(height=900) as page:
        page.goto(address)
        page.get_by_role("button", name="Predict").wait_for()
        yield page


def test_a_prediction_is_shown_and_logged(page, state: Path) -> None:
    page.get_by_role("button", name="Predict").click()
    page.get_by_test_id("risk").wait_for()
    assert "%" in page.get_by_test_id("risk").inner_text()
    caption = page.get_by_text("Prediction 0").inner_text()
    with open_log(state / "predictions.sqlite") as log:
        record = log.find(caption.split()[1])
    assert record.mode == "app"
    assert record.outputs is not None


def test_an_invalid_field_shows_its_message(page) -> None:
    owner = page.get_by_label("Owner", exact=True)
    owner.fill("")
    page.get_by_role("button", name="Predict").click()
    page.get_by_text("Some fields are not valid").wait_for()
    page.get_by_text("Fill in this field.").wait_for()
    owner.fill("Bob")
    page.get_by_role("button", name="Predict").click()
    page.get_by_test_id("risk").wait_for()
    # Streamlit removes the old message shortly after it shows the prediction.
    page.get_by_text("Fill in this field.").wait_for(state="hidden")
    assert page.get_by_text("Some fields are not valid").count() == 0


def test_monitoring_without_a_report_names_the_command(page) -> None:
    page.get_by_role("button", name="Predict").click()
    page.get_by_test_id("risk").wait_for()
    page.get_by_role("tab", name="Monitoring").click()
    page.get_by_text("nbship monitor").first.wait_for()
    assert "nbship monitor" in page.get_by_role("tabpanel").filter(visible=True).inner_text()


def test_the_model_card_is_shown(page) -> None:
    page.get_by_role("tab", name="Model").click()
    page.get_by_text("A package made for tests.").wait_for()
    assert "Version" in page.get_by_role("tabpanel").filter(visible=True).inner_text()
