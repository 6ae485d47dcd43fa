"""Partitions of a batch that several processes score."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest
from packages import make_rows
from waiting import PATIENCE, wait_until

from nbship import predictor
from nbship.errors import SourceError
from nbship.inference import predict_file
from nbship.inference.batch import run as batches
from nbship.inference.batch import scoring
from nbship.prediction_log import SqlLog, open_log


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqlLog]:
    with open_log(tmp_path / "state" / "log.sqlite") as log:
        yield log


@pytest.fixture(autouse=True)
def small_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "CHUNK_ROWS", 10)
    monkeypatch.setattr(batches, "PARTITION_ROWS", 30)
    monkeypatch.setattr(scoring, "can_fork", lambda: True)
    monkeypatch.setattr(scoring, "available_cores", lambda: 3)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    rows = make_rows(500, seed=5).drop(columns=["limit", "grade"])
    rows.loc[[5, 333], "size"] = 77
    rows.astype({"size": int}).to_parquet(tmp_path / "in.parquet", index=False, row_group_size=20)
    return tmp_path / "in.parquet"


def test_several_workers_write_the_same_output_as_one_process(
    tmp_path: Path, log: SqlLog, small_package: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, seen = predictor.load(small_package), []
    several = predict_file(loaded, log, source=source, target=tmp_path / "several.parquet", progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 500
    monkeypatch.setattr(scoring, "can_fork", lambda: False)
    one = predict_file(loaded, log, source=source, target=tmp_path / "one.parquet")
    assert several.run.output_digest == one.run.output_digest
    assert (several.run.rows, several.run.rejected) == (one.run.rows, one.run.rejected) == (498, 2)
    rejected = [tmp_path / f"{name}.parquet.rejected.csv" for name in ("several", "one")]
    assert rejected[0].read_bytes() == rejected[1].read_bytes()


def test_the_partitions_of_a_killed_worker_are_scored_by_the_parent(
    tmp_path: Path, log: SqlLog, small_package: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, real = os.getpid(), scoring.Scoring._score

    def score(self, number, *args):
        if number == 4 and os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, number, *args)

    monkeypatch.setattr(scoring.Scoring, "_score", score)
    run = predict_file(predictor.load(small_package), log, source=source, target=tmp_path / "out.parquet").run
    assert run.rows == 498
    assert len(pd.read_parquet(tmp_path / "out.parquet")) == 498


def test_partitions_of_another_size_are_not_reused(
    tmp_path: Path, log: SqlLog, small_package: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, target = predictor.load(small_package), tmp_path / "out.parquet"

    class StoppedError(Exception):
        pass

    def stop(rows: int) -> None:
        if rows > 200:
            raise StoppedError

    monkeypatch.setattr(scoring, "can_fork", lambda: False)
    with pytest.raises(StoppedError):
        predict_file(loaded, log, source=source, target=target, progress=stop)
    # Another version of nbship may use another size.
    monkeypatch.setattr(batches, "PARTITION_ROWS", 70)
    assert predict_file(loaded, log, source=source, target=target).run.rows == 498


def test_the_parent_scores_alone_if_it_cannot_fork(
    tmp_path: Path, log: SqlLog, small_package: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fork() -> int:
        raise BlockingIOError("Resource temporarily unavailable")

    loaded = predictor.load(small_package)
    monkeypatch.setattr(os, "fork", fork)
    assert predict_file(loaded, log, source=source, target=tmp_path / "out.parquet").run.rows == 498


def test_an_error_in_a_worker_is_raised_by_the_parent(
    tmp_path: Path, log: SqlLog, small_package: Path, source: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(source.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
    source.write_bytes(content)
    with pytest.raises(SourceError, match=r"in.parquet' cannot be read: .* Correct the file"):
        predict_file(predictor.load(small_package), log, source=source, target=tmp_path / "out.parquet")
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "out.parquet").exists()


def test_workers_end_with_the_command(tmp_path: Path, small_package: Path, source: Path) -> None:
    script = (
        "import os, sys, time; from nbship.inference.batch import run, scoring; from nbship import cli;"
        "scoring.Scoring._score = lambda *_: (open(f'working{os.getpid()}', 'w'), time.sleep(1000));"
        "run.PARTITION_ROWS = 30; cli.main(sys.argv[1:])"
    )
    words = ["predict", str(source), "out.parquet", "--package", str(small_package)]
    environ = {**os.environ, "NBSHIP_STATE": str(tmp_path / "state")}
    for sent, status in ((signal.SIGKILL, -9), (signal.SIGINT, 1)):
        process = subprocess.Popen([sys.executable, "-c", script, *words], cwd=tmp_path, env=environ)
        wait_until(lambda process=process: all_work(process.pid, tmp_path))
        workers = children(process.pid)
        process.send_signal(sent)
        assert process.wait(PATIENCE) == status
        wait_until(lambda workers=workers: not any(map(is_alive, workers)))


def all_work(pid: int, folder: Path) -> bool:
    """Tell whether the workers score and their parent waits: Python loses an interrupt that comes while it forks."""
    at_work = [worker for worker in children(pid) if (folder / f"working{worker}").exists()]
    return len(at_work) > 1 and psutil.Process(pid).status() == psutil.STATUS_SLEEPING


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()


def is_alive(pid: str) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False
