"""What `nbship status` must not cost: libraries that take longer to import than the answer takes to find."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from stages import pretend_run, replace, write_project

HEAVY = {
    "ruamel",
    "yaml",
    "numpy",
    "pandas",
    "dvc",
    "ploomber",
    "nbformat",
    "rich",
    "tomllib",
    "importlib.metadata",
    "asyncio",
}
ASK = """
import sys
from nbship.cli import main
try:
    main(["status"])
except SystemExit:
    print(*sys.modules)
"""


def ask(root: Path) -> tuple[str, set[str]]:
    """Return what `nbship status` says, and the modules that it loaded."""
    done = subprocess.run([sys.executable, "-c", ASK], cwd=root, capture_output=True, text=True, check=True)
    *said, modules = done.stdout.splitlines()
    return "\n".join(said), set(modules.split())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_project(tmp_path)
    replace(tmp_path / "params.yaml", "july", "'to: july, or 1e-3'")
    pretend_run(tmp_path)
    ask(tmp_path)
    return tmp_path


def test_nothing_to_run_is_found_without_heavy_libraries(root: Path) -> None:
    said, modules = ask(root)
    assert said == "Nothing to run: all stages are up to date."
    assert not HEAVY & modules
    assert not {name for name in modules if name.startswith("nbship.execution")}


def test_a_change_is_found_without_heavy_libraries(root: Path) -> None:
    replace(root / "notebooks/fit.ipynb", "import json", "import json as other")
    said, modules = ask(root)
    assert "fit  would run: notebooks/fit.ipynb changed" in said
    assert not (HEAVY - {"asyncio"}) & modules
