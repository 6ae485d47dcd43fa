"""While PostgreSQL is unavailable, entries are spooled; afterwards each is written to it once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prediction_log.test_log import NOON, batch, record
from services import postgres_url
from waiting import wait_until

from nbship.errors import LogError
from nbship.prediction_log import Entry, Label, SqlLog
from nbship.prediction_log.databases import Primary
from nbship.prediction_log.postgres import Postgres
from nbship.prediction_log.spool import Segments, Spooled
from nbship.prediction_log.sqlite import Sqlite


class Switch:
    """A real PostgreSQL database with a connection that can be cut."""

    def __init__(self, url: str) -> None:
        self._url, self.down = url, False

    def open(self, writer: int) -> Primary:
        self.check()
        return _Connection(Postgres(self._url, writer=writer), self)

    def check(self) -> None:
        if self.down:
            raise LogError("The prediction log cannot be written: connection refused.")


class _Connection(Postgres):
    def __init__(self, database: Postgres, switch: Switch) -> None:
        self.__dict__ |= database.__dict__
        self._switch = switch

    def write(self, group):
        self._switch.check()
        return super().write(group)

    def write_once(self, entries):
        self._switch.check()
        return super().write_once(entries)

    def connected(self, action, *, slow=False):
        self._switch.check()
        return super().connected(action, slow=slow)


@pytest.fixture
def switch() -> Iterator[Switch]:
    with postgres_url() as url:
        yield Switch(url)


def waiting(spool: Path) -> int:
    """Count the entries in the spool's files: each line is a checksum and a JSON list."""
    lines = [line for path in spool.with_suffix("").glob("*.jsonl") for line in path.read_text().splitlines()]
    lists = [json.loads(line.partition(" ")[2]) for line in lines]
    return sum(len(each) for each in lists if isinstance(each, list))


def rejected(spool: Path) -> int:
    """Count the entries in the file of rejected entries, in which earlier versions stored all."""
    with closing(sqlite3.connect(spool)) as connection:
        return sum(
            connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for name in ("records", "labels", "batches")
        )


def test_entries_written_while_the_database_is_unavailable_reach_it_once(switch: Switch, tmp_path: Path) -> None:
    spool = tmp_path / "spool.sqlite"
    first, second, third = record(), record(), record()
    label, run = Label(label="1", at=NOON, prediction_id=second.id), batch()
    with SqlLog(Spooled(switch.open, spool)) as log:
        salt = log.salt
        log.append(first)
        switch.down = True
        log.append(second, label, run)
        log.check()
        assert waiting(spool) == 3
        assert log.salt == salt
        with pytest.raises(LogError, match="connection refused"):
            log.find(second.id)
        switch.down = False
        wait_until(lambda: not waiting(spool))
        log.append(third)
        assert {one.id for one in log.recent(9)} == {first.id, second.id, third.id}
        assert (log.labels(), log.batches()) == ([label], [run])


def test_a_service_starts_while_the_database_is_unavailable(switch: Switch, tmp_path: Path) -> None:
    spool, one = tmp_path / "spool.sqlite", record()
    switch.down = True
    with pytest.raises(LogError, match="connection refused"):
        Spooled(switch.open, spool)
    switch.down = False
    SqlLog(Spooled(switch.open, spool)).close()
    switch.down = True
    with SqlLog(Spooled(switch.open, spool)) as log:
        log.append(one)
    assert waiting(spool) == 1
    switch.down = False
    with SqlLog(Spooled(switch.open, spool)) as log:
        assert log.find(one.id) == one
    assert waiting(spool) == 0


@pytest.mark.parametrize("storage", ["segments", "file of an earlier version"])
def test_entries_forwarded_before_a_crash_are_not_written_twice(switch: Switch, tmp_path: Path, storage: str) -> None:
    spool, one = tmp_path / "spool.sqlite", record()
    label, run = Label(label="1", at=NOON, prediction_id=one.id), batch()
    # The state after a crash between the database's commit and the deletion in the spool.
    _store(spool, [[one, label, run]], storage)
    database = switch.open(1)
    database.write([[one, label, run]])
    database.close()
    with SqlLog(Spooled(switch.open, spool)) as log:
        assert (log.recent(9), log.labels(), log.batches()) == ([one], [label], [run])
    assert waiting(spool) == 0
    assert storage == "segments" or rejected(spool) == 0


@pytest.mark.parametrize("storage", ["segments", "file of an earlier version"])
def test_entries_written_during_forwarding_are_stored_with_the_spooled_ones(
    switch: Switch, tmp_path: Path, storage: str
) -> None:
    spool = tmp_path / "spool.sqlite"
    spooled = [record() for _ in range(3000)]
    labels = [Label(label=str(number), at=NOON, prediction_id=one.id) for number, one in enumerate(spooled[:200])]
    _store(spool, [spooled, labels], storage)
    # Like two workers of one service.
    with SqlLog(Spooled(switch.open, spool)) as one, SqlLog(Spooled(switch.open, spool)) as other:
        new = [record() for _ in range(300)]
        for each, log in zip(new, [one, other] * 150, strict=True):
            log.append(each)
        wait_until(lambda: not waiting(spool))
        assert {each.id for each in one.recent(9999)} == {each.id for each in [*spooled, *new]}
        assert len(one.labels()) == 200


def _store(spool: Path, group: list[list[Entry]], storage: str) -> None:
    if storage == "segments":
        segments = Segments(spool.with_suffix(""))
        segments.append(group)
        segments.close()
    else:
        Sqlite(spool).write(group)


def test_a_salt_of_an_earlier_version_is_used(switch: Switch, tmp_path: Path) -> None:
    spool = tmp_path / "spool.sqlite"
    with Sqlite(spool).connected("written") as connection:
        connection.execute("INSERT INTO meta VALUES ('primary salt', ?)", (b"0123456789abcdef",))
    switch.down = True
    with SqlLog(Spooled(switch.open, spool)) as log:
        assert log.salt == b"0123456789abcdef"


def test_entries_that_the_database_rejects_are_stored_and_tried_again(
    switch: Switch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = tmp_path / "spool.sqlite"
    # PostgreSQL has no strings with the character 0.
    good, bad = record(), record()._replace(caller="\0")
    _store(spool, [[good], [bad]], "segments")
    with SqlLog(Spooled(switch.open, spool)) as log:
        assert log.recent(9) == [good]
    assert (waiting(spool), rejected(spool)) == (0, 1)
    assert "The database rejected 1 spooled entries." in caplog.text
    with SqlLog(Spooled(switch.open, spool)) as log:
        assert log.recent(9) == [good]
    assert rejected(spool) == 1


def test_incomplete_lines_are_ignored_and_damaged_ones_reported(
    switch: Switch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = tmp_path / "spool.sqlite"
    one, two, three = record(), record(), record()
    _store(spool, [[one], [two], [three]], "segments")
    (path,) = spool.with_suffix("").glob("*.jsonl")
    head, first, second, third = path.read_bytes().splitlines(keepends=True)
    # As after a crash while the last line was written.
    path.write_bytes(head + first + second + third[:-9])
    with SqlLog(Spooled(switch.open, spool)) as log:
        assert {each.id for each in log.recent(9)} == {one.id, two.id}
    assert "damaged" not in caplog.text
    path.write_bytes(head + first.replace(b"records", b"recorda") + third)
    with SqlLog(Spooled(switch.open, spool)) as log:
        assert {each.id for each in log.recent(9)} == {one.id, two.id, three.id}
    assert path.with_suffix(".damaged").exists()
    assert "Lines of the spool are damaged." in caplog.text
