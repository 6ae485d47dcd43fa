"""No copy of a deleted row stays in the unused part of a page, and nothing else in the file changes."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prediction_log.test_log import NOON, record

from nbship.errors import LogError
from nbship.model.signature import Field, Signature
from nbship.prediction_log import Label, forget_subject, keys_of, open_log, store_row
from nbship.prediction_log.sqlite import unallocated

PEOPLE = Signature(inputs=(Field("name", "string", key=True), Field("note", "string"), Field("team", "int")))


def predictions(name: str, *, note: int, team: int = 0) -> Iterator[object]:
    row = {"name": name, "note": name * note, "team": team}
    keys = keys_of(row, PEOPLE, salt=b"")
    one = record(inputs=store_row(row, PEOPLE, salt=b"").inputs, keys=keys)
    yield from (one, Label("1", NOON, prediction_id=one.id), Label("0", NOON, keys=keys))


def names(count: int) -> list[str]:
    return [f"{random.getrandbits(40):010x}-canary" for _ in range(count)]


def rows_of(path: Path) -> list[list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = ("records", "labels", "batches", "meta WHERE name != 'erased'")
        return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables]


def left(folder: Path, gone: Collection[str]) -> dict[str, list[str]]:
    """Return the names in the bytes of each file."""
    found = {path.name: set(re.findall(rb"[0-9a-f]{10}-canary", path.read_bytes())) for path in folder.iterdir()}
    return {
        file: names for file, there in found.items() if (names := sorted(set(gone) & {each.decode() for each in there}))
    }


@pytest.mark.parametrize("seed", [0, 4])
@pytest.mark.parametrize("notes", [[1], [0, 3, 30], [0, 3, 30, 900]])
def test_no_copy_of_a_moved_row_is_left(tmp_path: Path, notes: list[int], seed: int) -> None:
    """Tables and indexes are balanced as rows are added and deleted, which moves the rows of others."""
    random.seed(seed)
    gone, kept = set(), set()
    with open_log(tmp_path / "log.sqlite") as log:
        for _ in range(8):
            everyone = names(150)
            log.append(*(one for name in everyone for one in predictions(name, note=random.choice(notes))))
            kept.update(everyone)
            with log.database.connected("written") as connection:
                connection.execute("BEGIN")
                for name in random.sample(sorted(kept), len(kept) // 3):
                    for table in ("records", "labels"):
                        connection.execute(
                            f"DELETE FROM {table} WHERE keys = ?", (json.dumps({"name": name}, separators=(",", ":")),)
                        )
                    kept.remove(name)
                    gone.add(name)
                connection.execute("COMMIT")
            log.database.erase()
            assert left(tmp_path, gone) == {}
        assert {json.loads(one.inputs)["name"] for one in log.recent(10**4)} == kept
    rows_of(tmp_path / "log.sqlite")


# The pages that map parents depend on the page size.
@pytest.mark.parametrize("size", [512, 1024, 4096, 2**16])
@pytest.mark.parametrize("auto_vacuum", ["NONE", "INCREMENTAL"])
def test_only_unallocated_bytes_change(tmp_path: Path, size: int, auto_vacuum: str) -> None:
    random.seed(size)
    path = tmp_path / "log.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size = {size}")
        connection.execute(f"PRAGMA auto_vacuum = {auto_vacuum}")
        connection.execute("PRAGMA journal_mode = WAL")
    with open_log(path) as log:
        for _ in range(8):
            everyone = names(150)
            log.append(*(one for name in everyone for one in predictions(name, note=random.choice([0, 3, 30, 900]))))
            with log.database.connected("written") as connection:
                connection.execute("DELETE FROM records WHERE abs(random()) % 3 = 0")
                connection.execute("DELETE FROM labels WHERE abs(random()) % 3 = 0")
        log.database.close()
        before = rows_of(path)
        assert len(list(unallocated.pages_to_overwrite(path))) > 5
        log.database.erase()
        assert list(unallocated.pages_to_overwrite(path)) == []
        assert rows_of(path) == before
        # The pages that the service's connection has in memory are read again.
        log.append(*predictions("Ben", note=1))
        assert [len(rows) for rows in rows_of(path)] == [len(before[0]) + 1, len(before[1]) + 2, 0, 1]


def test_a_file_that_is_too_large_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unallocated, "_MOST_PAGES", 5)
    with open_log(tmp_path / "log.sqlite") as log:
        log.append(*predictions("Ann", note=1))
        with pytest.raises(LogError, match=r"log\.sqlite.*copies.*may remain.*VACUUM"):
            forget_subject(log, PEOPLE, {"name": "Ann"})


def test_the_locks_of_a_service_stay(tmp_path: Path) -> None:
    """Closing a file would end the locks of the process on it, and SQLite could remove the write-ahead log in use."""
    path = tmp_path / "log.sqlite"
    with open_log(path) as log:
        log.append(*predictions("Ann", note=1))
        log.database.erase()
        code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('PRAGMA journal_mode = DELETE')"
        other = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
        assert "database is locked" in other.stderr
        log.append(*predictions("Ann", note=2))
        assert len(log.recent(9)) == 2
