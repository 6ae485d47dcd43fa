"""Processes that write to the log while others forget people, and are killed, lose no acknowledged record."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from prediction_log.test_unallocated import PEOPLE
from waiting import wait_until

from nbship.prediction_log import forget_subject, open_log

pytestmark = pytest.mark.timeout(3600)

# Prints the id of each record once it is durable; one of 21 is about a person who will be forgotten.
WRITE = """
import random, sys
from pathlib import Path
from prediction_log.test_unallocated import predictions
from nbship.prediction_log import open_log
with open_log(Path(sys.argv[1])) as log:
    for number in range(10**9):
        who = random.choice([*["Ann", "Ben"] * 10, "canary"])
        one, *labels = predictions(f"{random.getrandbits(40):010x}-{who}" if who != "canary" else who, note=random.choice([0, 3, 30]))
        log.append(one, *labels)
        if who != "canary":
            print(one.id, flush=True)
"""
FORGET = """
import sys
from pathlib import Path
from prediction_log.test_unallocated import PEOPLE
from nbship.prediction_log import forget_subject, open_log
while True:
    with open_log(Path(sys.argv[1])) as log:
        Path(sys.argv[2]).touch()
        forget_subject(log, PEOPLE, {"name": "canary"})
"""


def start(code: str, *words: object, output: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)], stdout=output, text=True, cwd=Path(__file__).parents[1]
    )


def test_killed_commands_leave_the_log_whole(tmp_path: Path, full: bool) -> None:
    random.seed(3)
    path = tmp_path / "log.sqlite"
    open_log(path).close()
    acknowledged = [tmp_path / "first", tmp_path / "second"]
    writers = []
    for file in acknowledged:
        with file.open("w") as output:
            writers.append(start(WRITE, path, output=output.fileno()))
    try:
        wait_until(lambda: all(file.stat().st_size for file in acknowledged))
        for number in range(100 if full else 4):
            begun = tmp_path / f"begun-{number}"
            forgetter = start(FORGET, path, begun)
            wait_until(begun.exists)
            time.sleep(random.uniform(0, 2))
            assert forgetter.poll() is None
            forgetter.send_signal(signal.SIGKILL)
            forgetter.wait()
            assert [writer.poll() for writer in writers] == [None, None]
            # A command that reads for long would keep SQLite from writing over what is in the file already.
            assert path.with_name("log.sqlite-wal").stat().st_size < 200 * 2**20
        with open_log(path) as log:
            assert forget_subject(log, PEOPLE, {"name": "canary"}) > 0
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    with open_log(path) as log:
        forget_subject(log, PEOPLE, {"name": "canary"})
        expected = {id for file in acknowledged for id in file.read_text().split("\n")[:-1]}
        assert len(expected) > 100
        assert log.known(expected) == expected
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert [file.name for file in tmp_path.glob("log.sqlite*") if b"canary" in file.read_bytes()] == []
