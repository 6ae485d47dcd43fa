from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nbship.errors import LogError, UnknownPredictionError
from nbship.prediction_log import BatchRun, Label, Record, SqlLog, Usage, new_id, open_log
from nbship.prediction_log.databases import FORMAT
from nbship.prediction_log.sqlite import database as sqlite

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
    return made._replace(**changes)


def batch(**changes) -> BatchRun:
    made = BatchRun(
        id="b1", at=NOON, seconds=1.5, model="m", version="v", digest="d", caller="me", input_path="/i",
        input_digest="1", output_path="/o", output_digest="2", rows=3, rejected=0, first_event=NOON, last_event=NOON,
    )  # fmt: skip
    return made._replace(**changes)


def test_ids_sort_by_time_and_never_repeat() -> None:
    ids = [new_id() for _ in range(20_000)]
    assert ids == sorted(set(ids))


def test_a_log_of_a_newer_format_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    open_log(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LogError, match="newer nbship"):
        open_log(path)


def test_another_file_is_an_error_and_not_changed(tmp_path: Path) -> None:
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


def test_a_deleted_log_is_created_again(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with open_log(path) as log:
        log.append(record())
        for file in tmp_path.iterdir():
            file.unlink()
        after = record()
        log.append(after)
        assert log.find(after.id) == after
        assert path.is_file()


def test_a_log_that_cannot_be_written_is_an_error_until_it_can(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with open_log(path) as log:
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


def test_an_unknown_database_url_is_an_error() -> None:
    with pytest.raises(LogError, match="mysql://db/log"):
        open_log("mysql://db/log")


@pytest.mark.parametrize("number", range(1, FORMAT))
def test_a_log_of_an_older_format_is_read_and_upgraded(tmp_path: Path, number: int) -> None:
    path = Path(shutil.copy(Path(__file__).with_name(f"log_format_{number}.sqlite"), tmp_path / "log.sqlite"))
    with open_log(path) as log:
        found = log.find("01932f00-0000-7000-8000-000000000001")
        assert (found.outputs, found.redacted, found.role) == ('{"value":1.5}', ("name",), "served")
        assert found.trace == (None if number == 1 else "0af7651916cd43dd8448eb211c80319c")
        assert [(run.rows, run.rejected) for run in log.batches()] == [(3, 1)]
        assert [(label.label, label.model) for label in log.labels()] == [("2.0", None)]
        assert [label.label for label in log.of_model(found.model).labels()] == ["2.0"]
        one = record(trace="0af7651916cd43dd8448eb211c80319c", role="shadow")
        log.append(one)
    with open_log(path) as again:
        assert again.find(one.id) == one


def test_every_reader_returns_only_the_served_entries_of_its_model(tmp_path: Path) -> None:
    moment = NOON
    start, end = moment - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    with open_log(tmp_path / "log.sqlite") as whole:
        one = record(model="one", event_time=moment, keys='{"k":1}')
        shadow = record(model="one", event_time=moment, keys='{"k":2}', role="shadow")
        other = record(model="other", event_time=moment + timedelta(hours=1), keys='{"k":3}')
        whole.append(one, shadow, other)
        whole.append(batch(model="one", first_event=moment, last_event=moment))
        whole.append(
            batch(id="b0000000000000002", model="other", first_event=moment, last_event=moment + timedelta(hours=2))
        )
        whole.append(*(Usage(moment, 60.0, model, "host:7", 1.0, 1) for model in ("one", "other")))
        whole.append(Label("1", datetime.now(UTC), keys='{"k":1}', model="one"))
        whole.append(Label("2", datetime.now(UTC), keys='{"k":1}', model="other"))
        log = whole.of_model("one")
        # Everything that reads the log, so that a new reader is not forgotten.
        read = {
            "records": [each.id for each in log.records(start, end)] == [one.id],
            "prediction_columns": [id for part in log.prediction_columns(start, end) for id in part.id] == [one.id],
            "requests": [each.id for each in log.requests(start, end)] == [one.id],
            "timings": [len(part.at) for part in log.timings(start, end)] == [1],
            "recent": [each.id for each in log.recent(10)] == [one.id],
            "chunks": [each.id for part in log.chunks() for each in part] == [one.id],
            "batches": [each.model for each in log.batches()] == ["one"],
            "batch": log.batch("b0000000000000002") == [],
            "labels": [each.label for each in log.labels()] == ["1"],
            "usage": [each.model for each in log.usage(start, end)] == ["one"],
            "counts": log.counts(start, end) == (1, 1, 1, 1, 1),
            "last_event": log.last_event() == moment,
            "known": log.known([one.id, shadow.id, other.id]) == {one.id},
            "known_keys": log.known_keys(['{"k":1}', '{"k":2}', '{"k":3}']) == {'{"k":1}'},
            "labels_of": [each.label for each in log.labels_of([one.id, other.id], ['{"k":1}'])] == ["1"],
            "labels_by_id": len(log.labels_by_id([one.id, other.id]).number) == 0,
            "labels_by_keys": log.labels_by_keys(['{"k":1}']).label == ("1",),
        }
        assert [name for name, right in read.items() if not right] == []
        writing = {
            "append",
            "replace_file",
            "check",
            "close",
            "find",
            "forget",
            "of_model",
            "prune",
            "flush",
            "try_flush",
            "submit",
        }
        assert {name for name in vars(SqlLog) if not name.startswith("_")} - writing - {"salt"} == read.keys()
        with pytest.raises(UnknownPredictionError) as unknown:
            log.find(other.id)
        assert unknown.value.id == other.id
        assert log.forget(lambda row: row.get("x") == 1.5) == 2
        assert [each.label for each in whole.labels()] == ["2"]
        assert log.prune(end) == 1
        assert [each.model for each in whole.recent(10)] == ["other"]


def test_an_event_loop_does_not_wait_for_another_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # If it waited, the test would run into its timeout.
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_MS", 3_600_000)
    path = tmp_path / "log.sqlite"
    with open_log(path) as log:
        log.append(record())
        one = record()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            pending = log.submit([one])
            assert not log.try_flush()
            assert not pending.done
            other.execute("ROLLBACK")
        assert log.try_flush()
        pending.check()
        assert log.find(one.id) == one
