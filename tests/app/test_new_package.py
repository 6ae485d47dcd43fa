"""The page of a running app after another package was put in its path."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

AppTest = pytest.importorskip("streamlit.testing.v1").AppTest


def test_the_form_of_a_new_package_has_its_own_values(
    small_package: Path, other_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = tmp_path / "shown"
    shutil.copytree(small_package, shown)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_PACKAGE", str(shown))
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path / "state"))
    page = AppTest.from_string("from nbship.app import show_app\n\nshow_app()", default_timeout=60).run()
    assert not page.exception
    page.text_input(key="field.size").set_value("4").run()
    page.button[0].click().run()
    assert "model version" in " ".join(each.value for each in page.caption)
    shutil.rmtree(shown)
    shutil.copytree(other_package, shown)
    page.run()
    assert not page.exception
    fresh = AppTest.from_string("from nbship.app import show_app\n\nshow_app()", default_timeout=60).run()
    assert values(page) == values(fresh)
    assert [each.value for each in page.caption] == [each.value for each in fresh.caption]


def values(page: AppTest) -> dict[str, object]:
    return {each.key: each.value for each in (*page.text_input, *page.selectbox, *page.toggle)}
