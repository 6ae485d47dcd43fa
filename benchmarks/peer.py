"""Peers' figures, measured in the environment that `make peers` installs."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path

__all__ = ["measured"]

ROOT = Path(__file__).parents[1]


@cache
def measured(rows: int) -> dict[str, dict[str, float]]:
    """Return for each peer the seconds of a batch and of one row, and its difference from scikit-learn."""
    python = ROOT / ".nbship/cache/peers/bin/python"
    if not python.exists():
        raise SystemExit("The peers are not installed. Run `make peers`.")
    done = subprocess.run(
        [python, ROOT / "benchmarks/peers/measure.py", str(rows)],
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    found: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found
