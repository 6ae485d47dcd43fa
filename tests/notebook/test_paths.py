from __future__ import annotations

import os
from pathlib import Path

import pytest

from nbship.errors import StageError
from nbship.notebook.paths import Paths, remove_links


def test_one_product_is_the_notebook():
    assert Paths.read("out.ipynb", kind="product")["nb"] == Path("out.ipynb")


def test_absolute_paths_become_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    paths = Paths.read({"data": str(tmp_path / "products" / "data.csv")}, kind="product", create_folders=True)
    assert paths["data"] == Path("../products/data.csv")
    assert (tmp_path / "products").is_dir()


def test_a_missing_file_is_an_error_with_a_remedy(tmp_path: Path):
    paths = Paths(
        {"data": tmp_path / "data.csv"}, kind="product of stage 'load'", remedy="Run `nbship run load` first."
    )
    with pytest.raises(StageError, match=r"data\.csv' is not there\. Run `nbship run load` first\."):
        paths["data"]


def test_another_type_is_an_error():
    with pytest.raises(StageError, match="The product in the parameters cell is a list"):
        Paths.read(["a"], kind="product")


def test_links_are_removed_and_files_kept(tmp_path: Path):
    cached, linked, plain = tmp_path / "cached", tmp_path / "out" / "linked", tmp_path / "out" / "plain"
    linked.parent.mkdir()
    cached.write_text("cached")
    plain.write_text("plain")
    os.link(cached, linked)
    remove_links([tmp_path / "out"])
    assert not linked.exists()
    assert (cached.read_text(), plain.read_text()) == ("cached", "plain")
