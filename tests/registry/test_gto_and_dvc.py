"""GTO and DVC read what nbship writes, and nbship reads what GTO writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import run
from registries import Call, commit_package, git

from nbship.model.package import read_files
from nbship.project import load
from nbship.registry import open_registry


@pytest.fixture
def released(root: Path, call: Call) -> Path:
    """Three versions: v1.0.0, promoted again by a rollback, v1.1.0, archived, and v1.2.0 in `shadow`."""
    for number in (1, 2, 3):
        if number > 1:
            commit_package(root, number)
        call(root, "register")
        if number < 3:
            call(root, "promote", "--why", "next")
    call(root, "rollback", "--why", "worse")
    call(root, "promote", "small@v1.2.0", "--to", "shadow", "--why", "to compare")
    call(root, "archive", "small@v1.1.0")
    return root


def shown(root: Path, *words: str) -> object:
    return json.loads(run("gto", "show", "--json", *words, cwd=root, check=True).stdout)


def test_gto_shows_the_same_versions_and_aliases(released: Path, call: Call) -> None:
    assert shown(released) == {
        "small": {
            "version": "v1.2.0", "stage": {"production": "v1.0.0", "shadow": "v1.2.0"}, "registered": True, "active": True,
        }
    }  # fmt: skip
    versions = shown(released, "small")
    assert isinstance(versions, list)
    own = {each["version"]: each for each in json.loads(call(released, "list", "--json")[1])}
    assert {each["version"]: each["commit_hexsha"] for each in versions} == {
        name: each["commit"] for name, each in own.items()
    }


@pytest.mark.parametrize(
    ("words", "number"), [(("--rev", "v1.2.0"), 3), (("--stage", "production"), 1)],
)  # fmt: skip
def test_dvc_gets_the_same_bytes(released: Path, tmp_path: Path, words: tuple[str, ...], number: int) -> None:
    run(
        "dvc",
        "artifacts",
        "get",
        str(released),
        "small",
        *words,
        "--out",
        str(tmp_path / "got"),
        cwd=tmp_path,
        check=True,
    )
    registry = open_registry(load(released))
    expected = registry.find(f"small@v1.{number - 1}.0").package
    assert expected is not None
    assert read_files(tmp_path / "got")[0].digest == expected.digest


def of_gto(root: Path) -> Iterator[tuple[str, ...]]:
    first = git(root, "rev-parse", "HEAD")
    yield "register", "small"
    yield "assign", "small", "--version", "v0.0.1", "--stage", "production"
    commit_package(root, 2)
    yield "register", "small", "--version", "v0.3.0"
    yield "assign", "small", "--version", "v0.3.0", "--stage", "production"
    yield "deprecate", "small", "v0.0.1"
    yield "deprecate", "small", "v0.3.0", "production"
    assert first


@pytest.mark.long  # six commands of GTO
def test_what_gto_writes_is_read(root: Path, call: Call) -> None:
    for words in of_gto(root):
        run("gto", *words, cwd=root, check=True)
    history = open_registry(load(root)).history("small")
    assert [(each.name, each.archived is not None) for each in history.versions] == [
        ("v0.0.1", True),
        ("v0.3.0", False),
    ]
    assert [each.version and each.version.name for each in history.assignments["production"]] == [
        "v0.0.1",
        "v0.3.0",
        None,
    ]
    assert history.current("production") is None
    # Numbers go on where GTO stopped, and the package is that of the commit.
    code, out, _ = call(root, "promote", "small@v0.3.0", "--why", "from GTO")
    assert code == 0
    assert f"({read_files(root / 'models/small')[0].version}) is now in production. Tag: small#production#" in out
    assert shown(root) == {
        "small": {"version": "v0.3.0", "stage": {"production": "v0.3.0"}, "registered": True, "active": True}
    }
    commit_package(root, 3)
    assert "Registered small@v0.4.0" in call(root, "register")[1]


def test_a_project_in_a_folder_is_what_gto_and_dvc_call_it(small_package: Path, tmp_path: Path, call: Call) -> None:
    from registries import write_registry_project

    top = tmp_path / "top"
    top.mkdir()
    root = write_registry_project(top, small_package, inner="teams/risk")
    commit_package(root, 1)
    call(root, "register")
    call(root, "promote", "--why", "first")
    assert "teams/risk:small" in str(shown(top))
    run(
        "dvc",
        "artifacts",
        "get",
        str(top),
        "teams/risk:small",
        "--stage",
        "production",
        "--out",
        str(tmp_path / "got"),
        cwd=tmp_path,
        check=True,
    )
    assert read_files(tmp_path / "got")[0].digest == read_files(root / "models/small")[0].digest
