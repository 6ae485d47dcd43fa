from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

from nbship.errors import StageError
from nbship.execution.locked_versions import check_versions

from .two_stages import call, write_project


def test_an_installed_version_that_is_not_locked_is_an_error():
    with pytest.raises(
        StageError, match=r"numpy 0\.1 according to the lock file, but .* is installed\. Install .* `uv sync`"
    ):
        check_versions("fit", ["numpy"], locked={"numpy": "0.1"})


def test_the_locked_version_passes_and_missing_libraries_are_ignored():
    locked = {"numpy": f"0.1 {metadata.version('numpy')}", "no-such-library": "1"}
    assert check_versions("fit", ["numpy", "no-such-library"], locked=locked) is None


def test_a_run_on_another_version_stops_before_the_first_cell(tmp_path: Path):
    root = write_project(tmp_path)
    path = root / "notebooks/10_load.ipynb"
    content = json.loads(path.read_text())
    content["cells"][-1]["source"] = "import numpy\n" + "".join(content["cells"][-1]["source"])
    path.write_text(json.dumps(content))
    (root / "uv.lock").write_text(
        'version = 1\n[[package]]\nname = "numpy"\nversion = "0.1"\nsource = { registry = "https://pypi.org/simple" }\n'
    )
    done = call(root, "nbship", "run", "load")
    assert done.returncode == 1
    assert "numpy 0.1 according to the lock file" in done.stderr
    assert not (root / "products/10_load.ipynb").exists()
