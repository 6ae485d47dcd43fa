"""A window of new data is complete or absent: the database, or the fetch, is killed while the window is read and written."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from commands import BIN
from services import PostgresServer, postgres_server
from source_kinds import fill_postgres, make_orders, open_kind, write_project
from waiting import PATIENCE, wait_until

ORDERS = make_orders(7, a_day=300)
COMMAND = [str(BIN / "nbship"), "data", "fetch", "orders", "--from", "2026-06-01", "--to", "2026-06-08"]
# Rows arrive one after another, for about a second: the server waits within the query.
QUERY = """
SELECT id, placed, price, city, paid FROM orders, LATERAL (SELECT pg_sleep(0.0002) WHERE id >= 0) AS slow
WHERE placed >= $from AND placed < $to
"""
# A backend that sends rows of the query; a driver with a cursor runs it as FETCH.
_ACTIVE = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as found:
        fill_postgres(found.url, ORDERS)
        yield found


def _start(root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(COMMAND, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _window(root: Path) -> Path:
    return root / "windows/orders/2026-06-01_2026-06-08.parquet"


def _is_held(root: Path) -> bool:
    return _window(root).with_suffix(".parquet.dvc").exists()


def _forget(root: Path) -> None:
    shutil.rmtree(root / "windows", ignore_errors=True)
    shutil.rmtree(root / ".nbship", ignore_errors=True)


def _active(url: str) -> int | None:
    with suppress(psycopg.Error), psycopg.connect(url) as connection:
        row = connection.execute(_ACTIVE).fetchone()
        return int(row[0]) if row else None
    return None


def _is_up(url: str) -> bool:
    with suppress(psycopg.Error), psycopg.connect(url):
        return True
    return False


def test_postgres_is_killed_in_mid_read(tmp_path: Path, server: PostgresServer, full: bool) -> None:
    settings = {"url": server.url, "query": QUERY}
    root = write_project(tmp_path / "shop", settings)
    assert subprocess.run(COMMAND, cwd=root, capture_output=True, check=False).returncode == 0
    undisturbed = _window(root).read_bytes()
    assert pq.read_metadata(_window(root)).num_rows == len(ORDERS)
    chance = random.Random(3)
    for number in range(20 if full else 2):
        _forget(root)
        # Every other fetch tries again by itself.
        write_project(root, {**settings, "retries": 5 if number % 2 else 0})
        process = _start(root)
        wait_until(lambda: _active(server.url))
        time.sleep(chance.uniform(0, 0.5))
        backend = _active(server.url)
        assert backend, "The query was over before it was killed."
        os.kill(backend, signal.SIGKILL)  # the server ends all other connections, and recovers
        output = process.communicate(timeout=PATIENCE)[0]
        assert (process.returncode == 0) == _is_held(root), output
        if number % 2:
            assert process.returncode == 0, output
            assert "The source 'orders' is down: 'postgresql://127.0.0.1" in output
        else:
            assert process.returncode == 1, output
            assert output.startswith("nbship: The source 'orders' is down: 'postgresql://127.0.0.1"), output
            assert not _window(root).exists()
        wait_until(lambda: _is_up(server.url))
        again = subprocess.run(COMMAND, cwd=root, capture_output=True, text=True, check=False)
        assert again.returncode == 0, again.stderr
        assert _window(root).read_bytes() == undisturbed


def test_a_fetch_is_killed_at_any_time(tmp_path: Path, full: bool) -> None:
    with open_kind("csv", tmp_path / "shop", ORDERS) as settings:
        root = write_project(tmp_path / "shop", settings)
        began = time.monotonic()
        assert subprocess.run(COMMAND, cwd=root, capture_output=True, check=False).returncode == 0
        took, undisturbed = time.monotonic() - began, _window(root).read_bytes()
        chance = random.Random(5)
        for _ in range(20 if full else 2):
            _forget(root)
            process = _start(root)
            time.sleep(chance.uniform(0.3, 1.1) * took)
            process.kill()
            process.communicate(timeout=PATIENCE)
            if _is_held(root):
                assert _window(root).read_bytes() == undisturbed
            found = subprocess.run(COMMAND, cwd=root, capture_output=True, text=True, check=False)
            assert found.returncode == 0, found.stderr
            assert _window(root).read_bytes() == undisturbed
            left = sorted(path.name for path in (root / "windows/orders").iterdir())
            assert left == [".gitignore", _window(root).name, f"{_window(root).name}.dvc"]
            assert list((root / ".nbship/cache/data/orders").glob("*")) == []


@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.long), "while"])
def test_a_hanging_database_is_left_in_time(when: str, tmp_path: Path, server: PostgresServer) -> None:
    limits = {"connect_seconds": 2} if when == "before" else {"read_seconds": 2}
    root = write_project(tmp_path / "shop", {"url": server.url, "query": QUERY, **limits})
    if when == "before":
        server.hang()
    process = _start(root)
    try:
        if when == "while":
            wait_until(lambda: _active(server.url))
            server.hang()
        output = process.communicate(timeout=PATIENCE)[0]
    finally:
        server.resume()
    assert process.returncode == 1
    problem = "it did not respond within 2 s|timeout expired" if when == "before" else "it sent nothing for 2 s"
    assert any(text in output for text in problem.split("|")), output
    assert not (root / "windows").exists()


def test_a_wrong_password_is_a_sentence_and_a_right_one_is_in_none(
    tmp_path: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = "host all ann 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\nlocal all all trust"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE ann LOGIN SUPERUSER PASSWORD 'p@ss/word'")
        (file,) = connection.execute("SHOW hba_file").fetchone() or ("",)
        lines = " UNION ALL ".join(f"SELECT '{line}'" for line in rules.splitlines())
        connection.execute(f"COPY ({lines}) TO '{file}'")
        connection.execute("SELECT pg_reload_conf()")
    url = server.url.replace("postgres@", "ann:${SHOP_PASSWORD}@")
    root = write_project(tmp_path / "shop", {"url": url, "table": "orders"})
    for password, code in (("wrong/word", 1), ("p@ss/word", 0)):
        monkeypatch.setenv("SHOP_PASSWORD", password)
        done = subprocess.run(COMMAND, cwd=root, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert "word" not in done.stdout + done.stderr.replace("password", "")
        if code:
            assert done.stderr.startswith(
                "nbship: The source 'orders' rejected the credentials: 'postgresql://127.0.0.1"
            )
