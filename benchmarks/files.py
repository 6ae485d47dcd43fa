"""Five million rows of Parquet to ids and probabilities: complete commands and their memory.

Five hundred thousand rows, repeated ten times; all cores. nbship checks each row, gives it an id, and logs the run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .models import make_estimator, make_package, make_rows
from .peer import ROOT

PEER = ROOT / ".nbship/cache/peers/bin/python"
REPEATS = 10
_TURNS = 3


def run() -> str:
    """Return the comparison as Markdown."""
    rows, target = make_rows(100_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = make_package(folder, make_estimator().fit(rows, target), rows)
        source, script = folder / "rows.parquet", ROOT / "benchmarks/peers/score_file.py"
        count = write_rows(source, repeats=REPEATS)
        environ = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "NBSHIP_STATE": str(folder / "state")}
        subprocess.run([PEER, script, "fit", folder / "mlflow"], check=True, env=environ, capture_output=True)
        words: dict[str, list[Any]] = {
            "mlflow pyfunc": [PEER, script, folder / "mlflow", source, folder / "mlflow.parquet"],
            "nbship predict": [
                sys.executable,
                "-m",
                "nbship",
                "predict",
                source,
                folder / "out.parquet",
                "--package",
                package,
            ],
        }
        found = _measured(words, environ, folder)
    floor = found["mlflow pyfunc"][0]
    head = ["| | rows/s | × mlflow pyfunc | peak memory |", "|---|--:|--:|--:|"]
    return "\n".join(
        [
            *head,
            *(
                f"| {each} | {count / seconds:,.0f} | {floor / seconds:.1f} | {memory / 1e6:.0f} MB |"
                for each, (seconds, memory) in found.items()
            ),
        ]
    )


def write_rows(path: Path, *, repeats: int, rows: int = 500_000) -> int:
    """Write generated rows several times over, and return their number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(make_rows(rows, seed=5)[0], preserve_index=False)
    with pq.ParquetWriter(path, table.schema) as writer:
        for _ in range(repeats):
            writer.write_table(table)
    return repeats * rows


def _measured(
    commands: Mapping[str, list[Any]], environ: dict[str, str], folder: Path
) -> dict[str, tuple[float, float]]:
    """Return the seconds of each command's fastest run, and the most memory that a last one takes with its processes.

    They take turns, so that a noisy neighbour is everyone's.
    """
    taken: dict[str, list[float]] = {each: [] for each in commands}
    memory = dict.fromkeys(commands, 0.0)
    for turn in range(_TURNS + 1):
        for each, command in commands.items():
            for path in (folder / "out.parquet", folder / "mlflow.parquet"):
                path.unlink(missing_ok=True)
            began = time.perf_counter()
            with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as process:
                if turn == _TURNS:
                    memory[each] = _watched(process)
                process.wait()
            assert process.returncode == 0
            if turn < _TURNS:
                taken[each].append(time.perf_counter() - began)
    return {each: (min(taken[each]), memory[each]) for each in commands}


def _watched(process: subprocess.Popen[bytes]) -> float:
    """Return the peak memory in bytes of a process and its children, shared pages counted once."""
    most = 0.0
    while process.poll() is None:
        held = sum(_held(pid) for pid in _family(process.pid))
        most = max(most, held)
        time.sleep(0.1)
    return most


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    except OSError:
        return []
    return [pid, *(member for child in children for member in _family(int(child)))]


def _held(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return sum(float(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
