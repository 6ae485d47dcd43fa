"""Old entries are deleted in parts beside a live service, and their space is returned to the disk."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from prediction_log.test_log import NOON, batch, record
from services import postgres_url

from nbship.prediction_log import Entry, Label, SqlLog, open_log
from nbship.prediction_log.pruning import Pace

HOUR = timedelta(hours=1)
_OLD = 700


def _fill(log: SqlLog, *, prefix: str = "new") -> None:
    """Append old and new entries of every kind in turn, so that their pages are mixed."""
    for first in range(0, _OLD, 10):
        entries: list[Entry] = [record(id=f"{prefix}-{first:04d}")]
        for number in range(first, first + 10):
            at = NOON - HOUR - timedelta(seconds=number)
            old = record(at=at, inputs=f'{{"text":"{"x" * 2000}"}}', keys=f'{{"k":{number}}}')
            entries += [old, Label(label="1", at=at, keys=old.keys), batch(at=at, id=f"b{number:016x}")]
        log.append(*entries)


def _entries(log: SqlLog) -> int:
    return len(list(log.requests(NOON - 9 * HOUR, NOON))) + len(log.batches()) + len(log.labels())


def test_old_entries_of_every_kind_are_deleted_in_parts(log: SqlLog, monkeypatch: pytest.MonkeyPatch) -> None:
    deleted: list[int] = []
    step = Pace.step

    @contextmanager
    def watched(pace: Pace) -> Iterator[None]:
        before = _entries(log)
        with step(pace):
            yield
        deleted.append(before - _entries(log))

    _fill(log)
    monkeypatch.setattr(Pace, "step", watched)
    monkeypatch.setattr("nbship.prediction_log.pruning._MOST", 100)
    assert log.prune(NOON) == 3 * _OLD
    assert max(deleted) == 100
    assert len(deleted) > 3 * _OLD / 100
    assert {one.id for one in log.recent(9999)} == {f"new-{number:04d}" for number in range(0, _OLD, 10)}
    assert (log.labels(), log.batches()) == ([], [])


def test_the_log_can_be_written_between_all_parts(log: SqlLog, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    step = Pace.step

    @contextmanager
    def writing(pace: Pace) -> Iterator[None]:
        one = record()
        log.append(one)
        written.append(one.id)
        with step(pace):
            yield

    _fill(log)
    monkeypatch.setattr(Pace, "step", writing)
    log.prune(NOON)
    assert len(written) > 3
    assert log.known(written) == set(written)


def test_the_space_of_old_entries_is_returned_to_the_disk(tmp_path: Path) -> None:
    with open_log(tmp_path / "log.sqlite") as log:
        _fill(log)
        before = _size(tmp_path)
        # The service has its log open all the time.
        with open_log(tmp_path / "log.sqlite") as other:
            other.prune(NOON)
        log.append(record())
        assert _size(tmp_path) < before / 3


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if not path.name.endswith("-reserve"))


def test_postgresql_uses_the_space_of_old_entries_again() -> None:
    with postgres_url() as url, open_log(url) as log, psycopg.connect(url, autocommit=True) as connection:
        sizes: list[int] = []
        for _ in range(4):
            _fill(log, prefix=f"new-{len(sizes)}")
            sizes += connection.execute("SELECT pg_table_size('nbship_records')").fetchone() or ()
            assert log.prune(NOON) == 3 * _OLD
        assert sizes[-1] < 2 * sizes[0]


@pytest.mark.parametrize("running", [False, True])
def test_a_file_of_an_earlier_version_is_rewritten_while_no_service_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, running: bool
) -> None:
    source = Path(__file__).parents[1] / "prediction_log" / "log_format_3.sqlite"
    path = Path(shutil.copy(source, tmp_path / "log.sqlite"))
    with open_log(path) as log:
        _fill(log)
    before = path.stat().st_size
    with open_log(path) as log, closing(sqlite3.connect(path)) as service:
        if running:
            service.execute("SELECT count(*) FROM records").fetchone()
        assert log.prune(NOON) == 3 * _OLD
        log.append(record())
    assert (path.stat().st_size > before / 2) is running
    assert ("is used for new records, but not returned to the disk" in caplog.text) is running
