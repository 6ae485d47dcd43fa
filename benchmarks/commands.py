"""Whole commands with nothing to do, in the reference project after a run."""

from __future__ import annotations

import sys
from pathlib import Path

from .timing import in_turn, table, whole_command

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def run() -> str:
    """Return the comparison as Markdown."""
    calls = {
        "python -c pass": whole_command(sys.executable, "-c", "pass"),
        "nbship --help": whole_command(str(BIN / "nbship"), "--help"),
        "nbship status": whole_command(str(BIN / "nbship"), "status", cwd=ROOT),
        "dvc status": whole_command(str(BIN / "dvc"), "status", cwd=ROOT),
        "nbship run, nothing to do": whole_command(str(BIN / "nbship"), "run", cwd=ROOT),
        "ploomber status": whole_command(str(BIN / "ploomber"), "status", cwd=ROOT),
    }
    return table(in_turn(calls, rounds=5), floor="dvc status", unit="s")
