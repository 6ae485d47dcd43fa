from __future__ import annotations

import json
from pathlib import Path

import pytest
from stages import replace, write_project

from nbship import project
from nbship.errors import PipelineError
from nbship.pipeline.libraries import read_libraries


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def test_a_library_includes_its_requirements_on_any_platform(root: Path) -> None:
    libraries = read_libraries(project.load(root))
    assert libraries.required_by(["pandas"]) == ("numpy", "pandas", "tzdata")
    assert libraries.required_by(["numpy"]) == ("numpy",)
    assert libraries.required_by(["not_installed"]) == ()


def test_locked_versions_count_not_installed_ones(root: Path) -> None:
    assert json.loads(read_libraries(project.load(root)).to_json()) == {
        "numpy": "2.0",
        "pandas": "3.0",
        "tzdata": "2026",
        "unused": "1",
    }


def test_a_library_locked_for_several_platforms_has_all_versions(root: Path) -> None:
    fork = '[[package]]\nname = "numpy"\nversion = "1.9"\nresolution-markers = ["sys_platform == \'win32\'"]\n'
    replace(root / "uv.lock", "version = 1\n\n", f"version = 1\n\n{fork}\n")
    assert read_libraries(project.load(root)).versions["numpy"] == "1.9 2.0"


def test_the_project_itself_is_not_a_library(root: Path) -> None:
    replace(root / "uv.lock", 'version = "3.0"', 'version = "3.0"\nsource = { editable = "." }')
    assert "pandas" not in read_libraries(project.load(root)).versions


def test_without_a_lock_file_the_installed_versions_count(root: Path) -> None:
    import numpy

    (root / "uv.lock").unlink()
    libraries = read_libraries(project.load(root))
    assert libraries.versions["numpy"] == numpy.__version__
    assert {"numpy", "scikit-learn", "scipy"} <= set(libraries.required_by(["sklearn"]))


def test_a_broken_lock_file_is_named(root: Path) -> None:
    (root / "uv.lock").write_text("[[package\n")
    with pytest.raises(PipelineError, match=r"'uv\.lock' cannot be read: .* Create it again with `uv lock`"):
        read_libraries(project.load(root))
