"""The contract of every prediction log: SQLite, PostgreSQL, and PostgreSQL with a spool."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pandas as pd
import psycopg
import pytest
from prediction_log.test_log import NOON, batch, record
from services import postgres_url

from nbship.errors import LogError, UnknownPredictionError
from nbship.model.signature import Field, Output, Signature
from nbship.prediction_log import Label, SqlLog, Usage, export_records, open_log, predictions, pseudonym
from nbship.prediction_log.records import to_micros

HOUR = timedelta(hours=1)


def test_entries_are_read_as_they_were_written(log: SqlLog, address: tuple[str, Path | None]) -> None:
    one, run = record(inputs='{"x":"a\\u0000b \\"é\\" 𝄞"}', trace="0af7651916cd43dd8448eb211c80319c"), batch()
    bare = record(
        inputs=None, outputs=None, error='{"code":"internal"}', keys=None, event_time=None, event_zone=None, redacted=()
    )
    label = Label(label="1", at=NOON, prediction_id=one.id, time=NOON + timedelta(days=1))
    log.append(one, run, label, bare)
    assert (log.find(one.id), log.find(bare.id)) == (one, bare)
    assert (log.batches(), log.batch("b1"), log.batch("b2")) == ([run], [run], [])
    assert log.labels() == [label]
    assert log.known_keys(['{"k":1}', '{"k":2}']) == {'{"k":1}'}
    assert log.known([one.id, bare.id, "nothing"]) == {one.id}
    assert log.last_event() == NOON
    with open_log(*address[:1], spool=address[1]) as again:
        assert again.find(one.id) == one
        assert again.salt == log.salt


def test_a_window_includes_its_start_and_not_its_end(log: SqlLog) -> None:
    hours = [record(event_time=NOON + hour * HOUR, at=NOON - hour * HOUR) for hour in range(4)]
    log.append(*hours, batch(id="in", last_event=NOON + HOUR), batch(id="out", first_event=NOON + 3 * HOUR))
    assert list(log.records(NOON + HOUR, NOON + 3 * HOUR)) == hours[1:3]
    assert list(log.requests(NOON - 2 * HOUR, NOON)) == hours[2:0:-1]
    (timings,) = log.timings(NOON - 2 * HOUR, NOON)
    assert timings.at == tuple(to_micros(each.at) for each in hours[2:0:-1])
    assert timings.latency_ms == tuple(each.latency_ms for each in hours[2:0:-1])
    assert [run.id for run in log.batches(NOON + HOUR, NOON + 3 * HOUR)] == ["in"]
    assert log.counts(NOON, NOON + HOUR) == (1, 1, 1, 0, 0)
    assert log.recent(2) == hours[:1:-1]
    assert list(log.chunks(NOON - 2 * HOUR, NOON)) == [hours[1:3]]


def test_usage_of_a_window_is_read_back(log: SqlLog) -> None:
    used = [Usage(NOON + hour * HOUR, 60.5, "shops", "host:7", 1.25, 2**31 + hour) for hour in range(4)]
    log.append(*used[::-1])
    assert log.usage(NOON + HOUR, NOON + 3 * HOUR) == used[1:3]
    assert log.of_model("other").usage(NOON, NOON + 4 * HOUR) == []
    assert log.counts(NOON, NOON + HOUR) == (0, 0, 0, 1, 0)
    assert log.prune(NOON + 3 * HOUR) == 0  # counts what was predicted and reported
    assert log.usage(NOON, NOON + 9 * HOUR) == used[3:]


def test_an_id_is_never_written_twice(log: SqlLog) -> None:
    one, other = record(), record()
    log.append(one)
    with pytest.raises(LogError, match="rejected a record"):
        log.append(other, one)
    with pytest.raises(UnknownPredictionError, match=f"no record '{other.id}'"):
        log.find(other.id)
    log.append(other)
    assert log.find(other.id) == other


def test_a_rejected_entry_does_not_affect_others_in_its_commit(log: SqlLog) -> None:
    one = record()
    log.append(one)
    written = [record() for _ in range(50)]
    commits = [log.submit([each]) for each in [*written[:25], one, *written[25:]]]
    log.flush()
    assert [each.error is None for each in commits] == [True] * 25 + [False] + [True] * 25
    with pytest.raises(LogError, match="rejected a record"):
        commits[25].check()
    assert log.known(each.id for each in written) == {each.id for each in written}


def test_a_postgresql_log_of_format_2_is_read_and_upgraded() -> None:
    at = 1_709_294_400_000_000
    with postgres_url() as url:
        with psycopg.connect(url) as connection:
            connection.execute(Path(__file__).with_name("log_format_2_postgresql.sql").read_text())
            connection.execute("INSERT INTO nbship_meta VALUES ('salt', %s), ('format', '2')", (b"0123456789abcdef",))
            connection.execute(
                "INSERT INTO nbship_records (id, at, model, version, digest, caller, mode, outputs, latency_ms, redacted) "
                "VALUES ('old', %s, 'm', 'v', 'd', 'me', 'rest', '{}', 0.5, '[]')",
                (at,),
            )
            connection.execute("INSERT INTO nbship_labels (label, at, prediction_id) VALUES ('1', %s, 'old')", (at,))
        for _ in range(2):
            with open_log(url) as log:
                assert log.salt == b"0123456789abcdef"
                assert (log.find("old").role, [label.model for label in log.labels()]) == ("served", [None])
                assert [label.label for label in log.of_model("m").labels()] == ["1"]
                shadow = record(role="shadow")
                log.append(shadow)
                assert log.find(shadow.id) == shadow


def test_threads_of_two_open_logs_write_to_one_database(log: SqlLog, address: tuple[str, Path | None]) -> None:
    written = [record() for _ in range(120)]
    with open_log(address[0]) as second:
        threads = [
            threading.Thread(target=lambda part, log: [log.append(one) for one in part], args=(written[i::6], each))
            for i, each in enumerate([log, second] * 3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {one.id for one in log.recent(1000)} == {one.id for one in written}


def test_labels_are_read_in_the_order_of_their_reports(log: SqlLog) -> None:
    later, earlier = (Label(label=str(hour), at=NOON + hour * HOUR, prediction_id="p") for hour in (2, 1))
    # The clock was put back between both.
    log.append(later)
    log.append(earlier)
    assert log.labels() == [later, earlier]


def test_the_label_that_was_reported_last_counts(log: SqlLog, tmp_path: Path) -> None:
    signature = Signature(
        inputs=(Field("k", "int", key=True), Field("at", "datetime")),
        outputs=(Output("label", "int", "label", classes=(0, 1)),),
        event_time="at",
    )
    one = record(inputs=f'{{"k":1,"at":"{NOON.isoformat()}"}}', keys='{"k":1}')
    log.append(one)
    names = ({"keys": one.keys}, {"prediction_id": one.id}, {"prediction_id": one.id}, {"keys": one.keys})
    for number, name in enumerate(names):
        # Each report comes from a clock that is an hour behind the one before.
        log.append(Label(label=str(number % 2), at=NOON - number * HOUR, **name))
        frame = predictions(log, signature, start=NOON, end=NOON + HOUR)
        assert frame["actual"].tolist() == [number % 2]
        export_records(log, tmp_path / f"{number}.parquet")
        assert pd.read_parquet(tmp_path / f"{number}.parquet")["label"].tolist() == [str(number % 2)]


def test_prune_deletes_old_entries(log: SqlLog) -> None:
    old, new = record(at=NOON - HOUR), record()
    log.append(old, new, batch(at=NOON - HOUR), Label(label="1", at=NOON - HOUR, prediction_id=old.id))
    assert log.prune(NOON) == 3
    assert (log.recent(9), log.batches(), log.labels()) == ([new], [], [])


def test_forget_deletes_the_records_and_labels_of_one_subject_only(log: SqlLog) -> None:
    ann_pseudonym, ben_pseudonym = pseudonym("Ann", log.salt), pseudonym("Ben", log.salt)
    ann = record(inputs=f'{{"x":1,"name":"{ann_pseudonym}"}}', keys='{"k":"ann"}')
    rejected = record(inputs=f'[{{"name":"{ann_pseudonym}","x":null}}]', outputs=None, error="{}", keys=None)
    ben = record(inputs=f'{{"x":1,"name":"{ben_pseudonym}"}}', keys='{"k":"ben"}')
    lookalike = record(inputs=f'{{"note":"\\"name\\":\\"{ann_pseudonym}\\",","name":"{ben_pseudonym}"}}', keys=None)
    labels = [Label(label="1", at=NOON, prediction_id=ann.id), Label(label="2", at=NOON, keys='{"k":"ann"}')]
    remaining = Label(label="3", at=NOON, keys='{"k":"ben"}')
    log.append(ann, rejected, ben, lookalike, *labels, remaining)
    assert log.forget(lambda row: row.get("name") == ann_pseudonym) == 2
    assert {one.id for one in log.recent(9)} == {ben.id, lookalike.id}
    assert log.labels() == [remaining]
    assert log.forget(lambda row: row.get("x%") == 1) == 0


def test_acknowledged_records_survive_a_kill(log: SqlLog, address: tuple[str, Path | None], tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from prediction_log.test_log import record
from nbship.prediction_log import open_log
log = open_log(sys.argv[1], spool=Path(sys.argv[2]) if sys.argv[2] else None)
while True:
    one = record()
    log.append(one)
    print(one.id, flush=True)
"""
    arguments = [address[0], str(address[1] or ""), str(Path(__file__).parents[1])]
    process = subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(50)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [line.strip() for line in process.stdout if len(line.strip()) == 36]
    process.wait()
    process.stdout.close()
    assert log.known(acknowledged) == set(acknowledged)
