"""The reference project of this very checkout, its pipeline run where it has to be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def command(*words: str, cwd: Path = ROOT, expect: int | None = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a person would who has the environment on the path."""
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1", **environ}
    done = subprocess.run(words, cwd=cwd, env=env, text=True, capture_output=True, check=False)
    assert expect is None or done.returncode == expect, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def reference() -> Path:
    """Return the checkout's root when its pipeline is up to date."""
    if not json.loads(command("nbship", "status", "--json").stdout)["current"]:
        command("nbship", "run")
    return ROOT
