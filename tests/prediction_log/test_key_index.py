"""Labels by key find the rows of batch runs, and the entries of the log, in indexes."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prediction_log.test_log import NOON
from prediction_log.test_log import record as log_record
from prediction_log.test_reader import SIGNATURE, batch

from nbship.inference.feedback import import_labels, store_feedback
from nbship.model.signature import Field
from nbship.prediction_log import Label, SqlLog, batch_keys, key_index, keys_of, open_log

_ROWS = [(f"2024-07-01 08:{minute:02d}", "a", f"owner{minute}", 1) for minute in range(50)]
_LABEL = {"key": {"at": "2024-07-01T08:07:00", "line": "a"}, "label": 1}
_UNKNOWN = {"key": {"at": "2024-07-01T08:07:00", "line": "b"}, "label": 1}


@pytest.fixture(autouse=True)
def new_process() -> None:
    key_index._index.cache_clear()


def _forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("A file of the batch run was read.")

    key_index._index.cache_clear()
    monkeypatch.setattr(key_index, "read_chunks", read)


def test_the_files_of_a_batch_run_are_read_for_the_first_key_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = batch(tmp_path, _ROWS)
    with open_log(tmp_path / "log.sqlite") as log:
        log.append(run)
        assert store_feedback(log, [_LABEL, _UNKNOWN], signature=SIGNATURE).matched == 1
        _forbid_reading(monkeypatch)
        assert store_feedback(log, [_LABEL, _UNKNOWN], signature=SIGNATURE).matched == 1
        labels = tmp_path / "labels.csv"
        labels.write_text("at,line,label\n2024-07-01 08:09,a,1\n2024-07-01 08:09,b,1\n")
        assert import_labels(log, labels, signature=SIGNATURE).matched == 1


def test_every_row_of_a_batch_run_is_found_by_key_and_no_other(tmp_path: Path) -> None:
    with open_log(tmp_path / "log.sqlite") as log:
        log.append(batch(tmp_path, _ROWS))
        rows = [{"at": at.replace(" ", "T"), "line": line} for at, line, _, _ in _ROWS]
        keys = [keys_of(row, SIGNATURE, salt=log.salt) for row in rows]
        others = [keys_of({**row, "line": "b"}, SIGNATURE, salt=log.salt) for row in rows]
        assert batch_keys(log, SIGNATURE, [*keys, *others]) == set(keys)
        assert batch_keys(log, SIGNATURE, []) == set()


def test_runs_of_other_times_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = batch(tmp_path, _ROWS)
    with open_log(tmp_path / "log.sqlite") as log:
        earlier = timedelta(days=1)
        log.append(run._replace(first_event=run.first_event - earlier, last_event=run.last_event - earlier))
        _forbid_reading(monkeypatch)
        assert store_feedback(log, [_LABEL], signature=SIGNATURE).matched == 0


def test_other_key_columns_have_another_index(tmp_path: Path) -> None:
    inputs = (replace(SIGNATURE["at"], key=False), *SIGNATURE.inputs[1:])
    by_line = replace(SIGNATURE, inputs=inputs)
    with open_log(tmp_path / "log.sqlite") as log:
        log.append(batch(tmp_path, _ROWS))
        assert store_feedback(log, [_LABEL], signature=SIGNATURE).matched == 1
        assert store_feedback(log, [{"key": {"line": "a"}, "label": 1}], signature=by_line).matched == 1
        assert isinstance(by_line["line"], Field)


def test_an_index_holds_no_values_and_a_damaged_one_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_log(tmp_path / "log.sqlite") as log:
        log.append(batch(tmp_path, _ROWS))
        assert store_feedback(log, [_LABEL], signature=SIGNATURE).matched == 1
        (path,) = (tmp_path / "batch_keys").iterdir()
        assert path.stat().st_size < 8 * len(_ROWS) + 200
        path.write_bytes(b"damaged")
        key_index._index.cache_clear()
        assert store_feedback(log, [_LABEL, _UNKNOWN], signature=SIGNATURE).matched == 1
        assert "cannot be used" in caplog.text


def test_an_index_is_pruned_with_its_batch_run(tmp_path: Path) -> None:
    run = batch(tmp_path, _ROWS)
    with open_log(tmp_path / "log.sqlite") as log:
        log.append(run)
        assert store_feedback(log, [_LABEL], signature=SIGNATURE).matched == 1
        log.prune(run.at)
        assert len(list((tmp_path / "batch_keys").iterdir())) == 1
        log.prune(run.at + timedelta(seconds=1))
        assert list((tmp_path / "batch_keys").iterdir()) == []


def test_every_look_up_uses_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: list[str] = []
    with open_log(tmp_path / "log.sqlite") as whole:
        connected = whole.database.connected

        @contextmanager
        def traced(action: str, *, slow: bool = False):
            with connected(action, slow=slow) as connection:
                connection.set_trace_callback(statements.append)
                yield connection

        monkeypatch.setattr(whole.database, "connected", traced)
        one = log_record()
        whole.append(one, Label(label="1", at=NOON, keys=one.keys))
        for log in (whole, whole.of_model("m")):
            _look_up(log, one.id, str(one.keys))
    assert len(statements) == 2 * 10
    with closing(sqlite3.connect(tmp_path / "log.sqlite")) as connection:
        plans = {text: connection.execute(f"EXPLAIN QUERY PLAN {text}").fetchall() for text in statements}
    assert [text for text, plan in plans.items() if any("SCAN" in step[3] for step in plan)] == []


def _look_up(log: SqlLog, id: str, keys: str) -> None:
    log.find(id)
    log.known([id])
    log.known_keys([keys])
    log.labels_of([id], [keys])
    log.batch("b1")
    list(log.records(NOON, NOON + timedelta(days=1)))
    list(log.requests(NOON, NOON + timedelta(days=1)))
