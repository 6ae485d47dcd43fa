"""The backtest's table, and the block of a Markdown file that it replaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from flights.backtest import MEASURES, main, table, write_block
from nbship.errors import SourceError

ROW = {
    "month": 7,
    "flights": 29425,
    "late": 0.348,
    "model": dict.fromkeys(MEASURES, 0.7),
    "base": dict.fromkeys(MEASURES, 0.6),
}


def test_every_row_has_as_many_columns_as_the_header() -> None:
    lines = table([ROW, {**ROW, "month": 12}]).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| July | 29,425 | 34.8% | **0.700** | 0.600 |")
    assert lines[3].startswith("| December |")


def test_only_the_block_between_the_markers_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- backtest -->\nold\n<!-- /backtest -->\nafter\n")
    write_block(page, "new")
    assert page.read_text() == "before\n<!-- backtest -->\nnew\n<!-- /backtest -->\nafter\n"


def test_a_file_without_markers_is_not_changed(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("<!-- backtest -->\n")
    with pytest.raises(SourceError, match="has no lines"):
        write_block(page, "new")
    assert page.read_text() == "<!-- backtest -->\n"


def test_a_missing_package_is_an_error_of_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--package", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err
