"""A disk that is full at any byte of a batch: one sentence, no half output, and the next run completes."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from packages import make_rows

from nbship.prediction_log import open_log

WAYS = {
    "parquet": ["in.parquet", "out.parquet"],
    "parquet from csv": ["in.csv", "out.parquet"],
    "csv": ["in.csv", "out.csv"],
    "lines": ["in.csv", "out.jsonl"],
    "query": ["sqlite:///in.db", "out.parquet", "--query", "SELECT * FROM orders"],
    "table": ["in.csv", "sqlite:///out.db", "--table", "scored"],
    "stream": ["-", "out.parquet"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = make_rows(4000, seed=5).drop(columns=["limit", "grade"])
    rows["size"] = rows["size"].where(rows.index % 50 > 0, 77)
    rows.to_csv(tmp_path / "in.csv", index=False)
    rows.to_parquet(tmp_path / "in.parquet", index=False, row_group_size=500)
    connection = sqlite3.connect(tmp_path / "in.db")
    rows.assign(at=rows["at"].map(lambda at: at.isoformat())).to_sql("orders", connection, index=False)
    connection.close()
    # The log exists, so that not only its creation fails.
    open_log(tmp_path / "state" / "predictions.sqlite").close()
    return tmp_path


def predict(folder: Path, package: Path, words: list[str], *, limit: int | None) -> subprocess.CompletedProcess[str]:
    """Run `nbship predict`; a write beyond byte `limit` of any file fails, as on a full disk."""
    script = (
        "import resource, sys; from nbship.cli import main; limit = int(sys.argv[1]);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)); main(sys.argv[2:])"
    )
    unlimited = resource.RLIM_INFINITY
    command = [sys.executable, "-c", script, str(unlimited if limit is None else limit)]
    with (folder / "in.csv").open() as given:
        return subprocess.run(
            [*command, "predict", *words, "--package", str(package)],
            cwd=folder, env={**os.environ, "NBSHIP_STATE": str(folder / "state")}, stdin=given, capture_output=True, text=True,
        )  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_full_disk_is_one_sentence_and_loses_nothing(folder: Path, small_package: Path, way: str, full: bool) -> None:
    output = folder / WAYS[way][1]
    failed = 0
    for limit in (1, 30_000, 60_000, 90_000, 150_000) if full else (1, 60_000, 150_000):
        done = predict(folder, small_package, WAYS[way], limit=limit)
        if done.returncode == 0:
            break
        failed += 1
        assert done.returncode == 1
        assert done.stderr.startswith("nbship: ")
        assert done.stderr.count("\n") == 1, done.stderr
        if output.suffix != ".db":
            assert not output.exists()
    assert failed > 1
    done = predict(folder, small_package, WAYS[way], limit=None)
    assert done.returncode == 0, done.stderr
    if output.suffix == ".parquet":
        assert len(pd.read_parquet(output)) == 3920
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a device of Linux")
def test_full_standard_output_is_one_sentence(folder: Path, small_package: Path) -> None:
    command = [sys.executable, "-m", "nbship", "predict", "in.csv", "-", "--package", str(small_package)]
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        done = subprocess.run(command, cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "nbship: 'standard output' cannot be written: No space left on device. Make room, or check its permissions.\n"  # fmt: skip
