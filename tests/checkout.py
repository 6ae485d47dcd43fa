"""Run commands in this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def command(*words: str, cwd: Path = ROOT, expect: int | None = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the environment on PATH."""
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1", **environ}
    done = subprocess.run(words, cwd=cwd, env=env, text=True, capture_output=True, check=False)
    assert expect is None or done.returncode == expect, done.stdout + done.stderr
    return done
