"""Versions of dependencies agree in the conda environment, the lock file, pyproject.toml and the code."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from nbship.dvcstore.versions import TESTED as DVC
from nbship.model.compiler.choose import TESTED as COMPILER

ROOT = Path(__file__).parents[1]
Versions = tuple[tuple[int, int], tuple[int, int]]


def test_the_conda_environment_is_the_lock_file() -> None:
    words = ["export", "--quiet", "--locked", "--no-hashes", "--no-header", "--no-annotate"]
    uv = Path(sys.executable).parent / "uv"
    exported = subprocess.run([str(uv), *words], cwd=ROOT, text=True, capture_output=True, check=True).stdout
    written = YAML(typ="safe").load(ROOT / "environment.yml")["dependencies"][-1]["pip"]
    assert written == exported.splitlines(), "Run `make environment.yml`."


@pytest.mark.parametrize(("library", "tested"), [("scikit-learn", COMPILER), ("dvc", DVC)])
def test_tested_versions_are_those_from_the_lowest_declared_to_the_locked(library: str, tested: Versions) -> None:
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*about["dependencies"], *about["optional-dependencies"]["project"]]
    lowest = next(line for line in declared if line.startswith(f"{library}>=")).partition(">=")[2].split(",")[0]
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    locked = next(package["version"] for package in packages if package["name"] == library)
    assert tested == tuple(tuple(int(part) for part in version.split(".")[:2]) for version in (lowest, locked))
