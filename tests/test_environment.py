"""Conda users get what the lock file says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]


def test_the_conda_environment_is_the_lock_file() -> None:
    words = ["export", "--quiet", "--locked", "--no-hashes", "--no-header", "--no-annotate"]
    uv = Path(sys.executable).parent / "uv"
    exported = subprocess.run([str(uv), *words], cwd=ROOT, text=True, capture_output=True, check=True).stdout
    written = YAML(typ="safe").load(ROOT / "environment.yml")["dependencies"][-1]["pip"]
    assert written == exported.splitlines(), "Run `make environment.yml`."
