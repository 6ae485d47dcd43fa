"""The raw tables arrive whole, with the digest that data.dvc names, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commands import run

from flights.install_data import ROOT, directory_digest, install
from nbship.errors import DataError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "data.dvc", tmp_path)
    return tmp_path


def test_the_tables_are_installed_once(project: Path) -> None:
    assert install(project) is True
    assert sorted(path.name for path in (project / "data").iterdir()) == [
        "airlines.csv",
        "airports.csv",
        "flights.csv",
        "planes.csv",
        "weather.csv",
    ]
    assert install(project) is False


def test_a_damaged_table_is_replaced(project: Path) -> None:
    install(project)
    flights = project / "data" / "flights.csv"
    whole = flights.read_bytes()
    flights.write_bytes(whole[:1000])
    (project / "data" / ".install-rest").write_bytes(b"")
    assert install(project) is True
    assert flights.read_bytes() == whole
    assert not (project / "data" / ".install-rest").exists()


def test_tables_with_another_digest_are_not_written(project: Path) -> None:
    text = (project / "data.dvc").read_text()
    digest = text.split("md5: ")[1].split(".dir")[0]
    (project / "data.dvc").write_text(text.replace(digest, "0" * 32))
    with pytest.raises(DataError, match=r"digest .*, not 0+\.dir as in 'data\.dvc'"):
        install(project)
    assert not (project / "data").exists()


def test_an_unknown_file_in_the_folder_is_kept(project: Path) -> None:
    install(project)
    (project / "data" / "mine.csv").write_text("mine")
    with pytest.raises(DataError, match=r"'data/mine\.csv' is not a table of 'data\.dvc'"):
        install(project)
    assert (project / "data" / "mine.csv").read_text() == "mine"


def test_without_data_dvc_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"git checkout data\.dvc"):
        install(tmp_path)


def test_the_digest_is_dvcs_own(tmp_path: Path) -> None:
    folder = tmp_path / "things"
    (folder / "deep").mkdir(parents=True)
    (folder / "b.csv").write_text("b")
    (folder / "deep" / "a.csv").write_text("a")
    for words in (["init", "--no-scm", "--quiet"], ["add", "--quiet", "things"]):
        run("dvc", *words, cwd=tmp_path, check=True)
    digests = {"b.csv": "92eb5ffee6ae2fec3ad71c777531578f", "deep/a.csv": "0cc175b9c0f1b6a831c399e269772661"}
    assert f"md5: {directory_digest(digests)}" in (tmp_path / "things.dvc").read_text()
