from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nbship.errors import LogError, UnknownPredictionError
from nbship.prediction_log import BatchRun, Label, Record, SqliteLog, new_id, open_log

NOON = datetime(2024, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def record(**changes) -> Record:
    made = Record(
        id=new_id(),
        at=NOON,
        model="m",
        version="0123456789ab",
        digest="0" * 64,
        caller="me",
        mode="rest",
        inputs='{"x":1.5}',
        outputs='{"label":1}',
        error=None,
        latency_ms=0.5,
        keys='{"k":1}',
        event_time=NOON,
        event_zone="+00:00",
        redacted=("name",),
    )
    return replace(made, **changes)


def batch(**changes) -> BatchRun:
    made = BatchRun(
        id="b1", at=NOON, seconds=1.5, model="m", version="v", digest="d", caller="me", input_path="/i",
        input_digest="1", output_path="/o", output_digest="2", rows=3, rejected=0, first_event=NOON, last_event=NOON,
    )  # fmt: skip
    return replace(made, **changes)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    one, run = record(), batch()
    label = Label(label="1", at=NOON, prediction_id=one.id, time=NOON + timedelta(days=1))
    with open_log(tmp_path / "log.sqlite") as log:
        log.append(one, run, label)
        assert log.find(one.id) == one
        assert log.batches() == [run]
        assert log.labels() == [label]
        assert log.keys() == {'{"k":1}'}
        assert log.has_keys('{"k":1}')
        assert not log.has_keys('{"k":2}')
    with open_log(tmp_path / "log.sqlite") as again:
        assert again.find(one.id) == one
        assert again.salt == log.salt


def test_ids_sort_by_time_and_never_repeat() -> None:
    ids = [new_id() for _ in range(20_000)]
    assert ids == sorted(set(ids))


def test_a_window_includes_its_start_and_not_its_end(tmp_path: Path) -> None:
    hours = [record(event_time=NOON + timedelta(hours=hour)) for hour in range(4)]
    runs = [
        batch(id="in", last_event=NOON + timedelta(hours=1)),
        batch(id="out", first_event=NOON + timedelta(hours=3)),
    ]
    with open_log(tmp_path / "log.sqlite") as log:
        log.append(*hours, *runs)
        start, end = NOON + timedelta(hours=1), NOON + timedelta(hours=3)
        assert log.records(start, end) == hours[1:3]
        assert [run.id for run in log.batches(start, end)] == ["in"]


def test_an_unknown_id_is_named(tmp_path: Path) -> None:
    with open_log(tmp_path / "log.sqlite") as log, pytest.raises(UnknownPredictionError, match="no record 'nothing'"):
        log.find("nothing")


def test_an_id_is_never_written_twice(tmp_path: Path) -> None:
    one, other = record(), record()
    with open_log(tmp_path / "log.sqlite") as log:
        log.append(one)
        with pytest.raises(LogError, match="refused"):
            log.append(other, one)
        with pytest.raises(UnknownPredictionError):
            log.find(other.id)
        log.append(other)


def test_many_threads_and_two_logs_on_one_file(tmp_path: Path) -> None:
    with open_log(tmp_path / "log.sqlite") as first, open_log(tmp_path / "log.sqlite") as second:
        made = [record() for _ in range(120)]
        threads = [
            threading.Thread(target=lambda part, log: [log.append(one) for one in part], args=(made[i::6], log))
            for i, log in enumerate([first, second] * 3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {one.id for one in first.recent(1000)} == {one.id for one in made}


def test_a_file_from_the_future_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    open_log(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LogError, match="newer nbship"):
        open_log(path)


def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(LogError, match="not a prediction log"):
        open_log(path)
    text = tmp_path / "text.sqlite"
    text.write_text("not a database at all, but text " * 100)
    with pytest.raises(LogError, match="cannot be opened"):
        open_log(text)


def test_a_deleted_file_is_noticed_and_made_again(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with SqliteLog(path) as log:
        log.append(record())
        for part in tmp_path.iterdir():
            part.unlink()
        after = record()
        log.append(after)
        assert log.find(after.id) == after
        assert path.is_file()


def test_a_log_that_cannot_be_written_says_so_and_heals(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with SqliteLog(path) as log:
        log.append(record())
        path.rename(tmp_path / "away.sqlite")
        path.mkdir()
        with pytest.raises(LogError, match="cannot be written"):
            log.append(record())
        with pytest.raises(LogError, match="cannot be written"):
            log.check()
        path.rmdir()
        (tmp_path / "away.sqlite").rename(path)
        log.append(record())
        log.check()


def test_an_unknown_address_is_refused() -> None:
    with pytest.raises(LogError, match="postgresql://db/log"):
        open_log("postgresql://db/log")


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    script = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_sqlite import record
from nbship.prediction_log import open_log
log = open_log(Path(sys.argv[1]))
while True:
    one = record()
    log.append(one)
    print(one.id, flush=True)
"""
    path = tmp_path / "log.sqlite"
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(50)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [line.strip() for line in process.stdout if len(line.strip()) == 36]
    process.wait()
    process.stdout.close()
    with open_log(path) as log:
        assert {log.find(id).id for id in acknowledged} == set(acknowledged)
