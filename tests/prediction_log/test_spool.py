"""While PostgreSQL is unavailable, entries are spooled; afterwards each is written to it once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from prediction_log.test_log import NOON, batch, record
from services import postgres_url
from waiting import wait_until

from nbship.errors import LogError
from nbship.prediction_log import Label, SqlLog
from nbship.prediction_log.postgres import Postgres
from nbship.prediction_log.spool import Primary, Spooled
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
    with sqlite3.connect(spool) as connection:
        count = sum(
            connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for name in ("records", "labels", "batches")
        )
    connection.close()
    return count


def test_entries_written_while_the_database_is_unavailable_reach_it_once(switch: Switch, tmp_path: Path) -> None:
    spool = tmp_path / "spool.sqlite"
    first, second, third = record(), record(), record()
    label, run = Label(label="1", at=NOON, prediction_id=second.id), batch()
    with SqlLog(Spooled(switch.open, Sqlite(spool))) as log:
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
        Spooled(switch.open, Sqlite(spool))
    switch.down = False
    SqlLog(Spooled(switch.open, Sqlite(spool))).close()
    switch.down = True
    with SqlLog(Spooled(switch.open, Sqlite(spool))) as log:
        log.append(one)
    assert waiting(spool) == 1
    switch.down = False
    with SqlLog(Spooled(switch.open, Sqlite(spool))) as log:
        assert log.find(one.id) == one
    assert waiting(spool) == 0


def test_entries_forwarded_before_a_crash_are_not_written_twice(switch: Switch, tmp_path: Path) -> None:
    spool, one = tmp_path / "spool.sqlite", record()
    label, run = Label(label="1", at=NOON, prediction_id=one.id), batch()
    SqlLog(Spooled(switch.open, Sqlite(spool))).close()
    # The state after a crash between the database's commit and the spool's.
    Sqlite(spool).write([[one, label, run]])
    database = switch.open(1)
    database.write([[one, label, run]])
    database.close()
    with SqlLog(Spooled(switch.open, Sqlite(spool))) as log:
        assert (log.recent(9), log.labels(), log.batches()) == ([one], [label], [run])
    assert waiting(spool) == 0


def test_entries_written_during_forwarding_are_stored_with_the_spooled_ones(switch: Switch, tmp_path: Path) -> None:
    spool = tmp_path / "spool.sqlite"
    SqlLog(Spooled(switch.open, Sqlite(spool))).close()
    spooled = [record() for _ in range(3000)]
    labels = [Label(label=str(number), at=NOON, prediction_id=one.id) for number, one in enumerate(spooled[:200])]
    Sqlite(spool).write([spooled, labels])
    # Like two workers of one service.
    with SqlLog(Spooled(switch.open, Sqlite(spool))) as one, SqlLog(Spooled(switch.open, Sqlite(spool))) as other:
        new = [record() for _ in range(300)]
        for each, log in zip(new, [one, other] * 150, strict=True):
            log.append(each)
        wait_until(lambda: not waiting(spool))
        assert {each.id for each in one.recent(9999)} == {each.id for each in [*spooled, *new]}
        assert len(one.labels()) == 200
