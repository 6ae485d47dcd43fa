"""Measures of drift: 500,000 reference and 500,000 current rows, 12 numbers and 8 categories; whole processes.

The floor reads both files with pyarrow and computes, with NumPy, the population stability index, the Jensen-Shannon distance,
the exact Kolmogorov-Smirnov statistic and chi-squared. nbship counts both files, and then, as `nbship monitor` does, only the
current one: the package holds the counts of the training data.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from .peer import ROOT
from .processes import Taken, take, take_in_turn

ROWS, NUMBERS, CATEGORIES = 500_000, 12, 8
PEERS = ROOT / ".nbship/cache/monitoring-peers/bin/python"
_HERE = Path(__file__).parent
_ROUNDS = 3


def run() -> str:
    """Return the comparison as Markdown: the fastest of three runs of each, in turn."""
    if not PEERS.exists():
        raise SystemExit("The peers of monitoring are not installed. Run `make monitoring-peers`.")
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name) / "reference.parquet", Path(name) / "current.parquet"]
        for seed, path in enumerate(files):
            write_rows(path, ROWS, seed=seed)
        own, peer = _HERE / "drift_measures.py", _HERE / "peers/monitoring/measure.py"
        reference = Path(name) / "counts.parquet"
        take([sys.executable, own, "reference", files[0], reference])
        floor = [sys.executable, _HERE / "drift_floor.py", *files]
        commands = {
            "NumPy and pyarrow, 2 threads (floor)": [*floor, 2],
            "NumPy and pyarrow, 1 thread": [*floor, 1],
            "nbship, both files counted": [sys.executable, own, "both", *files],
            "nbship, the current file counted": [sys.executable, own, "window", reference, files[1]],
            "NannyML": [PEERS, peer, "nannyml", *files],
            "Evidently, PSI only": [PEERS, peer, "evidently-psi", *files],
            "Evidently, defaults": [PEERS, peer, "evidently", *files],
        }
        calls = {each: partial(take, words) for each, words in commands.items()}
        found = take_in_turn(calls, rounds=_ROUNDS)
    return _table(found)


def write_rows(path: Path, rows: int, *, seed: int) -> None:
    """Write generated rows, a fiftieth of each number missing; with another seed, a quarter of the columns differ a little."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for place in range(NUMBERS):
        values = random.normal(loc=0.1 * seed * (place % 4 == 0), scale=1 + place, size=rows)
        columns[f"number_{place}"] = pa.array(values, mask=random.random(rows) < 0.02)
    for place in range(CATEGORIES):
        names = pa.array([f"value {number}" for number in range(5 * (place + 1))])
        weights = 1 / np.arange(1, len(names) + 1) ** (1 + 0.05 * seed * (place % 4 == 0))
        codes = random.choice(len(names), size=rows, p=weights / weights.sum())
        columns[f"category_{place}"] = names.take(pa.array(codes))
    pq.write_table(pa.table(columns), path)


def _table(found: dict[str, Taken]) -> str:
    floor = next(iter(found.values())).seconds
    lines = [
        f"| {name} | {each.seconds:.2f} s | {each.seconds / floor:.1f} | {each.cpu:.2f} s | {each.peak / 1e6:.0f} MB |"
        for name, each in found.items()
    ]
    return "\n".join(["| | seconds | × floor | CPU time | peak memory |", "|---|--:|--:|--:|--:|", *lines])
