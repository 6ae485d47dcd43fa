"""Forgetting a person deletes exactly their entries, whatever the spelling of their values, and the bytes of them."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prediction_log.test_log import NOON, record
from services import postgres_url

from nbship.errors import InvalidInputError, LogError
from nbship.model.signature import Field, Signature
from nbship.prediction_log import (
    Label,
    SqlLog,
    forget_subject,
    forgetting,
    keys_of,
    new_id,
    open_log,
    pseudonym,
    store_rejected,
    store_row,
)
from nbship.prediction_log.sqlite import database as sqlite

FIELDS = (
    Field("name", "string"),
    Field("badge", "int"),
    Field("height", "float"),
    Field("born", "datetime", timezone="UTC"),
    Field("member", "bool"),
    Field("balance", "float"),
)
# Field -> the text for the command, spellings of the same value, and other people's values that resemble it.
SAME: dict[str, tuple[str, list[Any], list[Any]]] = {
    "name": ("Ann_1%", ["Ann_1%", ["Ben", "Ann_1%"], {"first": "Ann_1%"}], ["ann_1%", "Ann_1% ", "Ann21%", "Ann", "Ann_1%%"]),
    "badge": ("40", [40, 40.0, "40", "40.0", [39, 40]], [400, 4, 40.5, "4O", -40, None, "0x40"]),
    "height": ("1.80", [1.8, "1.8", "1.80", 18e-1, ["1.800"]], [1.81, 18, "1,8", 0.18, True]),
    "born": (
        "2001-02-03T04:05:00Z",
        ["2001-02-03T04:05:00+00:00", "2001-02-03 04:05", "2001-02-03T05:05:00+01:00", "20010203T040500", "2001-02-03T04:05:00.000Z"],
        ["2001-02-03T04:05:00+01:00", "2001-02-03", "2001-02-03T04:05:01Z", "yesterday", 20010203],
    ),
    "member": ("true", [True, "true", "TRUE"], [False, 1, "false", None]),
    "balance": ("0", [0, 0.0, -0.0, "-0", "0.00", [-0.0]], [0.1, False, None, ""]),
}  # fmt: skip


def signature(pii: bool | str) -> Signature:
    return Signature(inputs=tuple(Field(f.name, f.dtype, timezone=f.timezone, pii=pii, nullable=True) for f in FIELDS))


@pytest.mark.parametrize("pii", [False, True])
@pytest.mark.parametrize("name", SAME)
def test_values_are_compared_by_value(log: SqlLog, name: str, pii: bool) -> None:
    text, same, different = SAME[name]
    kept = signature(pii)
    rejected = {new_id(): (value, store_rejected({name: value}, kept, salt=log.salt)) for value in (*same, *different)}
    log.append(
        *(record(id=id, inputs=json.dumps([stored]), outputs=None, keys=None) for id, (_, stored) in rejected.items())
    )
    assert forget_subject(log, kept, {name: text}) == len(same)
    left = {one.id for one in log.recent(99)}
    assert sorted(str(rejected[id][0]) for id in left) == sorted(map(str, different))


def test_predictions_are_found_before_and_after_a_field_became_personal(log: SqlLog) -> None:
    row = {"name": "Ann", "badge": 40, "height": 2.0, "born": "2001-02-03T04:05:00Z", "member": True}
    for name in row:
        for pii in (False, True):
            log.append(record(inputs=store_row(row, signature(pii), salt=log.salt).inputs))
            # Until nbship 0.1, rejected values were not normalised before they became pseudonyms.
            log.append(record(inputs=json.dumps([{name: pseudonym(row[name], log.salt)}]), outputs=None))
        assert forget_subject(log, signature(True), {name: str(row[name])}) == 4
        assert log.recent(9) == []


@pytest.mark.parametrize("pii", [False, True])
@pytest.mark.parametrize("text", ["0", "-0.0"])
def test_the_sign_of_zero_does_not_count(log: SqlLog, text: str, pii: bool) -> None:
    keyed = Signature(inputs=(Field("balance", "float", key=True, pii=pii),))
    rows = [store_row({"balance": balance}, keyed, salt=log.salt) for balance in (0, 0.0, -0.0)]
    assert len({row.keys for row in rows}) == 1
    log.append(*(record(inputs=row.inputs, keys=row.keys) for row in rows))
    # Until nbship 0.1, -0.0 had a pseudonym of its own.
    log.append(record(inputs=json.dumps({"balance": pseudonym(-0.0, log.salt)})))
    assert forget_subject(log, keyed, {"balance": text}) == 4


def test_the_work_grows_with_the_entries(log: SqlLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many records and labels have the same key: each is read a few times at most."""
    monkeypatch.setattr(forgetting, "_ROWS", 20)
    for name in ("Ann", "Ben"):
        log.append(*(record(inputs=json.dumps({"name": name}), keys=f'{{"k":"{name}"}}') for _ in range(300)))
        log.append(*(Label("1", NOON, keys=f'{{"k":"{name}"}}') for _ in range(300)))
    seen = []
    log.forget(lambda row: bool(seen.append(row)) or row.get("name") == "Ann")
    assert len(seen) < 4 * 1200
    assert (len(log.recent(999)), len(log.labels())) == (300, 300)


def test_a_value_that_does_not_fit_is_an_error(log: SqlLog) -> None:
    wrong = {
        "badge": ["forty", "40.5", "nan", "1e999999999"],
        "height": ["nan", "tall"],
        "born": ["soon"],
        "member": ["1"],
    }
    for name, texts in wrong.items():
        for text in texts:
            with pytest.raises(InvalidInputError, match=f"field '{name}'"):
                forget_subject(log, signature(False), {name: text})


def test_labels_are_forgotten_with_their_records_and_by_their_keys(log: SqlLog) -> None:
    keyed = Signature(inputs=(Field("name", "string", key=True, pii=True), Field("order", "int", key=True)))
    people = {who: [{"name": who, "order": order} for order in range(2)] for who in ("Ann", "ann")}
    for who, rows in people.items():
        for row in rows:
            keys = keys_of(row, keyed, salt=log.salt)
            one = record(inputs=store_row(row, keyed, salt=log.salt).inputs, keys=keys)
            unmatched = keys_of({"name": who, "order": 10 + row["order"]}, keyed, salt=log.salt)
            labels = [
                Label("1", NOON, prediction_id=one.id),
                Label("2", NOON, keys=keys),
                Label("3", NOON, keys=unmatched),
            ]
            log.append(one, *(label._replace(time=NOON if who == "Ann" else None) for label in labels))
    assert forget_subject(log, keyed, {"name": "Ann"}) == 2
    assert [label.time for label in log.labels()] == [None] * 6
    assert len(log.recent(99)) == 2


def test_random_people_are_forgotten_exactly(log: SqlLog, full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "_ROWS", 7)
    random.seed(14)
    kept, owners = signature(False), {}
    for badge in range(1000 if full else 40):
        for spelling in random.sample([badge, float(badge), f"{badge}", f"{badge}.0", f"{badge}e0"], 3):
            others = [{"badge": other} for other in random.sample(range(10**4, 10**5), 2)]
            one = record(
                inputs=json.dumps(
                    random.sample([{"badge": spelling}, *others], 3) if badge % 2 else {"badge": spelling}
                )
            )
            owners[one.id] = badge
            log.append(one, Label("1", NOON, prediction_id=one.id))
    for badge in random.sample(sorted(set(owners.values())), 10):
        assert forget_subject(log, kept, {"badge": str(badge)}) == 3
        owners = {id: owner for id, owner in owners.items() if owner != badge}
        assert {one.id for one in log.recent(10**5)} == owners.keys()
        assert {label.prediction_id for label in log.labels()} == owners.keys()


@pytest.fixture
def busy_log(tmp_path: Path) -> Iterator[SqlLog]:
    """A log in SQLite that is held open, and written to, by a service."""
    with open_log(tmp_path / "log.sqlite") as log:
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                log.append(record(inputs='{"name":"Ben"}', keys='{"k":"Ben"}'))
                log.recent(20)  # SQLite's lock is not fair: other writers get it between two writes

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield log
        finally:
            ended.set()
            thread.join()


def test_no_byte_is_left_while_a_service_uses_the_log(busy_log: SqlLog, tmp_path: Path) -> None:
    for part in range(20):
        busy_log.append(
            *(
                record(
                    inputs=json.dumps({"name": "Canary", "pad": "x" * (each * part)}), keys=f'{{"k":"Canary{each}"}}'
                )
                for each in range(20)
            )
        )
        busy_log.append(Label("1", NOON, keys='{"k":"Canary1"}'))
    assert b"Canary" in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    with open_log(tmp_path / "log.sqlite") as second:
        assert forget_subject(second, signature(False), {"name": "Canary"}) == 400
    assert [path.name for path in tmp_path.iterdir() if b"Canary" in path.read_bytes()] == []


def test_bytes_that_a_reader_holds_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_ERASE_ATTEMPTS", 2)
    path = tmp_path / "log.sqlite"
    with open_log(path) as log:
        log.append(record(inputs='{"name":"Canary"}'))
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM records").fetchall()
        with pytest.raises(LogError, match="another process reads it, so their bytes remain in"):
            forget_subject(log, signature(False), {"name": "Canary"})
        # The reader did not stop the service.
        log.append(record())
        reader.close()
        assert forget_subject(log, signature(False), {"name": "Canary"}) == 0
        assert b"Canary" not in b"".join(each.read_bytes() for each in tmp_path.iterdir())


def test_a_spool_is_forgotten_too(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    double = record(inputs='{"name":"Canary"}')
    with postgres_url() as url, open_log(url, spool=path) as log:
        log.append(double)
        with open_log(path) as spool:
            # The database rejects this entry, so it stays in the spool.
            spool.append(double._replace(latency_ms=9.0))
        assert forget_subject(log, signature(False), {"name": "Canary"}) == 2
        files = [each for each in tmp_path.rglob("*") if each.is_file()]
        assert [each.name for each in files if b"Canary" in each.read_bytes()] == []


def test_no_transaction_deletes_more_than_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "_ROWS", 5)
    with open_log(tmp_path / "log.sqlite") as log:
        log.append(*(record(inputs='{"name":"Ann"}', at=NOON + timedelta(days=day)) for day in range(23)))
        sizes = []
        original = forgetting._Search.delete
        monkeypatch.setattr(forgetting._Search, "delete", lambda *words: sizes.append(original(*words)) or sizes[-1])
        assert forget_subject(log, signature(False), {"name": "Ann"}) == 23
        assert sizes == [5, 5, 5, 5, 3]
