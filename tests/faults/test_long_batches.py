"""A batch needs the memory of one partition, whatever its size; killed at any time, it resumes to the same output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from memory import peak_memory
from packages import make_rows
from waiting import wait_until

from nbship.prediction_log import digest_of

pytestmark = pytest.mark.timeout(7200)
MILLION = 1_000_000
LEAKY = """
from nbship.inference.batch import scoring
cached, table_of = [], scoring.predicted_table
def output(*args, **options):
    computed = table_of(*args, **options)
    cached.append((args, computed))
    return computed
scoring.predicted_table = output
"""

COUNTING = """
from nbship.inference.batch.partitions import PartitionFolder
finish = PartitionFolder.finish
def counted(self, number, partition):
    finish(self, number, partition)
    with open("computed", "a") as file:
        file.write(f"{number}\\n")
PartitionFolder.finish = counted
"""


# Such a run never ends before the test kills it.
ENDLESS = """
import time
from nbship.inference.batch import run
run.digest_of = lambda path: time.sleep(1000)
"""


def write_rows(path: Path, millions: int) -> Path:
    """Write copies of the same hundred thousand rows."""
    table = pa.Table.from_pandas(make_rows(100_000, seed=2).drop(columns=["limit", "grade"]), preserve_index=False)
    with pq.ParquetWriter(path, table.schema) as writer:
        for _ in range(10 * millions):
            writer.write_table(table)
    return path


def start(package: Path, folder: Path, source: Path, target: str, *, script: str = "") -> subprocess.Popen[bytes]:
    code = f"import sys\n{script}\nfrom nbship import cli\ncli.main(sys.argv[1:])"
    arguments = ["predict", str(source), target, "--package", str(package), "--json"]
    environ = {**os.environ, "NBSHIP_STATE": str(folder / "state")}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=folder, env=environ, stdout=subprocess.PIPE)


def memory_for(package: Path, folder: Path, millions: int, *, script: str = "") -> int:
    """Return the peak memory for so many million rows."""
    source = write_rows(folder / f"{millions}.parquet", millions)
    process = start(package, folder, source, f"out{millions}.parquet", script=script)
    most = peak_memory(process)
    assert json.loads(process.communicate()[0])["rows"] == millions * MILLION
    return most


def test_memory_does_not_grow_with_the_rows(small_package: Path, tmp_path: Path, full: bool) -> None:
    few, many = (memory_for(small_package, tmp_path, millions) for millions in (1, 50 if full else 3))
    assert many < 600e6
    assert many - few < 100e6


@pytest.mark.long
def test_a_batch_that_stores_all_rows_would_be_caught(small_package: Path, tmp_path: Path) -> None:
    few, many = (memory_for(small_package, tmp_path, millions, script=LEAKY) for millions in (1, 3))
    assert many - few > 100e6


def test_a_batch_killed_at_ten_points_gives_the_same_output(small_package: Path, tmp_path: Path, full: bool) -> None:
    millions, kills = (50, 10) if full else (2, 3)
    source = write_rows(tmp_path / "in.parquet", millions)
    uninterrupted = json.loads(start(small_package, tmp_path, source, "uninterrupted.parquet").communicate()[0])
    for kill in range(1, kills + 1):
        process = start(small_package, tmp_path, source, "out.parquet", script=ENDLESS)
        wanted = kill * 3 * millions // (kills + 1)
        wait_until(lambda wanted=wanted: len(list(tmp_path.glob(".out.parquet.*.parts/*.json"))) >= wanted)
        time.sleep(0.05 * kill)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "out.parquet").exists()
    finished = {int(path.stem) for path in tmp_path.glob(".out.parquet.*.parts/*.json")}
    assert len(finished) >= wanted
    done = json.loads(start(small_package, tmp_path, source, "out.parquet", script=COUNTING).communicate()[0])
    computed = [int(line) for line in (tmp_path / "computed").read_text().split()]
    # Each partition is computed once: those that the killed runs finished are reused.
    assert sorted([*finished, *computed]) == list(range(len(finished) + len(computed)))
    assert (done["id"], done["rows"]) == (uninterrupted["id"], millions * MILLION)
    assert digest_of(tmp_path / "out.parquet") == digest_of(tmp_path / "uninterrupted.parquet")
    assert not list(tmp_path.glob(".out*"))
