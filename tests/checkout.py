"""Run commands in this checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

from commands import BIN, activated, run

__all__ = ["BIN", "ROOT", "command"]

ROOT = Path(__file__).parents[1]


def command(*words: str, cwd: Path = ROOT, expect: int | None = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the environment on PATH."""
    done = run(*words, cwd=cwd, env={**activated(), **environ})
    assert expect is None or done.returncode == expect, done.stdout + done.stderr
    return done
