"""A damaged SQLite log is found before records are acknowledged."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from prediction_log.test_log import NOON, record
from waiting import wait_until

from nbship.errors import LogError
from nbship.inference import find_deployment
from nbship.prediction_log import Label, damage, open_log

PAGE = 4096
DAMAGES: dict[str, Callable[[bytes, int], bytes]] = {
    "zeros": lambda content, at: content[:at] + bytes(PAGE) + content[at + PAGE :],
    "flip": lambda content, at: content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :],
    "garbage": lambda content, at: content[:at] + random.Random(at).randbytes(512) + content[at + 512 :],
    "cut": lambda content, at: content[:at],
    "other file": lambda content, at: content[:at] + b"hello " * 500 + content[at + 3000 :],
    "no database": lambda content, at: b"hello " * 500 + content[3000:],
}


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    """The bytes of a log with two thousand records."""
    path = tmp_path / "whole.sqlite"
    with open_log(path) as log:
        log.append(
            *(record(inputs=f'{{"x":1.5,"pad":"{"x" * 200}"}}', keys=f'{{"k":{number}}}') for number in range(2000))
        )
        log.append(Label("1", NOON, keys='{"k":1}'))
    return path.read_bytes()


def damaged(whole: bytes, kind: str, number: int) -> bytes:
    return DAMAGES[kind](whole, PAGE * random.Random(number).randrange(1, len(whole) // PAGE))


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_log_is_not_opened(whole: bytes, tmp_path: Path, kind: str, number: int) -> None:
    path = tmp_path / "log.sqlite"
    path.write_bytes(damaged(whole, kind, number))
    with pytest.raises(LogError, match=r"'.*log\.sqlite'.* (is damaged|cannot be opened)"):
        open_log(path)


def test_a_service_does_not_start_on_a_damaged_log(
    whole: bytes, tmp_path: Path, small_package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBSHIP_STATE", str(tmp_path))
    (tmp_path / "predictions.sqlite").write_bytes(damaged(whole, "zeros", 1))
    with pytest.raises(LogError, match=r"is damaged .* restore a backup"):
        find_deployment(small_package).open_logged(mode="rest")


def test_a_large_log_is_checked_while_it_is_used(whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damage, "_SMALL_BYTES", 0)
    path = tmp_path / "log.sqlite"
    path.write_bytes(damaged(whole, "zeros", 1))
    with open_log(path) as log:

        def rejects() -> bool:
            try:
                log.check()
            except LogError as error:
                return "is damaged" in str(error)
            return False

        wait_until(rejects)
        with pytest.raises(LogError, match="is damaged"):
            log.append(record())
        # An intact file in its place is used at once.
        (tmp_path / "whole.sqlite").replace(path)
        for suffix in ("-wal", "-shm"):
            path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
        one = record()
        log.append(one)
        assert log.find(one.id) == one


def test_damage_that_a_reader_meets_stops_writing(
    whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.sqlite"
    path.write_bytes(whole)
    with open_log(path) as log:
        log.append(record())
        log.database.erase()
        with path.open("r+b") as file:
            file.seek(PAGE)
            file.write(bytes(len(whole) - PAGE))
        with pytest.raises(LogError):
            log.recent(5000)
        with pytest.raises(LogError, match="is damaged"):
            log.append(record())


def test_a_log_without_its_salt_is_damaged(tmp_path: Path) -> None:
    with open_log(tmp_path / "log.sqlite"):
        pass
    with closing(sqlite3.connect(tmp_path / "log.sqlite")) as connection, connection:
        connection.execute("DELETE FROM meta WHERE name = 'salt'")
    with pytest.raises(LogError, match=r"has lost the salt of its pseudonyms, so it is damaged\. .* restore a backup"):
        open_log(tmp_path / "log.sqlite")


def test_an_emptied_log_is_no_new_one(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with open_log(path) as log:
        log.append(record())
    path.write_bytes(b"")
    with pytest.raises(LogError, match=r"log\.sqlite' has been emptied\. .* restore a backup, or delete the file"):
        open_log(path)
    path.unlink()
    with open_log(path) as log:
        log.append(record())
        assert len(log.recent(9)) == 1


def test_a_large_log_is_not_checked_by_those_who_only_read_it(
    whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks: list[object] = []
    monkeypatch.setattr(damage, "_SMALL_BYTES", 0)
    monkeypatch.setattr(damage.DamageCheck, "_check", lambda check: checks.append(check))
    path = tmp_path / "log.sqlite"
    path.write_bytes(whole)
    with open_log(path) as log:
        assert len(log.recent(5)) == 5
        assert checks == []
        log.append(record())
        wait_until(lambda: len(checks) == 1)
        log.append(record())
    assert len(checks) == 1
