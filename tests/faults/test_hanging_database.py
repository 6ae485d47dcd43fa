"""A PostgreSQL server that hangs: its connections stay open, and nothing is answered.

`SIGSTOP` of all its processes is the hardest case, as the kernel still accepts connections and confirms what is sent.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from faults.rest_server import RECORD
from prediction_log.test_log import NOON, record
from servers import serving
from services import PostgresServer, postgres_server, postgres_url
from waiting import PATIENCE, wait_until

from nbship.errors import LogError
from nbship.prediction_log import Label, PredictionLog, SqlLog, open_log
from nbship.prediction_log.postgres import database
from nbship.prediction_log.spool import spooled

_DAY = (NOON, NOON + timedelta(days=1))
# Every method of a log, called on a database that does not respond. Those that are not here do not talk to it.
_CALLS: Mapping[str, Callable[[SqlLog], Any]] = {
    "append": lambda log: log.append(record()),
    "check": lambda log: log.check(),
    "find": lambda log: log.find("x"),
    "records": lambda log: list(log.records(*_DAY)),
    "requests": lambda log: list(log.requests(*_DAY)),
    "timings": lambda log: list(log.timings(*_DAY)),
    "counts": lambda log: log.counts(*_DAY),
    "last_event": lambda log: log.last_event(),
    "recent": lambda log: log.recent(1),
    "batches": lambda log: log.batches(),
    "batch": lambda log: log.batch("x"),
    "labels": lambda log: log.labels(),
    "known": lambda log: log.known(["x"]),
    "known_keys": lambda log: log.known_keys(["{}"]),
    "labels_of": lambda log: log.labels_of(["x"], []),
    "labels_by_id": lambda log: list(log.labels_by_id(["x"])),
    "labels_by_keys": lambda log: list(log.labels_by_keys(["{}"])),
    "prediction_columns": lambda log: list(log.prediction_columns(*_DAY)),
    "usage": lambda log: log.usage(*_DAY),
    "chunks": lambda log: list(log.chunks()),
    "prune": lambda log: log.prune(NOON),
    "forget": lambda log: log.forget(lambda row: True),
}
_SILENT = {"salt", "model", "folder", "submit", "flush", "try_flush", "close"}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def hanging(server: PostgresServer) -> Iterator[PostgresServer]:
    """A server that the test may stop; it is continued afterwards."""
    yield server
    server.resume()


def _environ(server: PostgresServer, when_down: str) -> dict[str, str]:
    return {"NBSHIP_LOG__URL": server.url, "NBSHIP_LOG__WHEN_DOWN": when_down}


def _post(url: str, count: int) -> list[httpx.Response]:
    """Send single records and lists at the same time, from many clients; return the responses."""
    bodies = [RECORD, [RECORD] * 400] * (count // 2)
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda body: httpx.post(f"{url}/predict", json=body, timeout=PATIENCE), bodies))


def _ids(responses: list[httpx.Response]) -> list[str]:
    bodies = [response.json() for response in responses if response.status_code == 200]
    return [one["id"] for body in bodies for one in (body if isinstance(body, list) else [body])]


def test_without_a_spool_requests_are_rejected_until_the_database_responds(
    small_package: Path, tmp_path: Path, hanging: PostgresServer
) -> None:
    with serving(small_package, tmp_path, environ=_environ(hanging, "refuse")) as (url, process):
        answered = _post(url, 2)
        hanging.hang()
        rejected = _post(url, 12)
        assert {response.status_code for response in rejected} == {503}
        assert {response.json()["error"]["code"] for response in rejected} == {"log_unavailable"}
        assert httpx.get(f"{url}/metrics", timeout=PATIENCE).status_code == 200
        hanging.resume()
        wait_until(lambda: httpx.post(f"{url}/predict", json=RECORD, timeout=PATIENCE).status_code == 200)
        answered += _post(url, 4)
        hanging.hang()
        process.terminate()
        assert process.wait(PATIENCE) == 0
    hanging.resume()
    with open_log(hanging.url) as log:
        assert log.known(_ids(answered)) == set(_ids(answered))


def test_a_spool_takes_over_while_the_database_hangs(
    small_package: Path, tmp_path: Path, hanging: PostgresServer
) -> None:
    environ = _environ(hanging, "spool")
    with serving(small_package, tmp_path, environ=environ) as (url, process):
        answered = _post(url, 2)
        hanging.hang()
        answered += _post(url, 12)
        assert {response.status_code for response in answered} == {200}
        feedback = {"id": _ids(answered)[0], "label": "yes"}
        assert httpx.post(f"{url}/feedback", json=feedback, timeout=PATIENCE).status_code == 503
        assert httpx.get(f"{url}/v2/health/ready", timeout=PATIENCE).status_code == 200
        process.terminate()
        assert process.wait(PATIENCE) == 0
    # A service also starts while the database hangs.
    with serving(small_package, tmp_path, environ=environ) as (url, _):
        answered += _post(url, 4)
        hanging.resume()
        ids = _ids(answered)
        assert len(ids) == len(set(ids)) == 9 * 401
        with open_log(hanging.url) as log:
            wait_until(lambda: log.known(ids) == set(ids))


@pytest.mark.parametrize("when_down", [pytest.param("refuse", marks=pytest.mark.long), "spool"])
def test_every_method_of_the_log_ends_while_the_database_hangs(
    hanging: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when_down: str
) -> None:
    assert {name for name, _ in inspect.getmembers(PredictionLog) if name[0] != "_"} == _CALLS.keys() | _SILENT
    # Every call waits for the server again, but not for long.
    for module, name in ((database, "_LOOKUP_SECONDS"), (spooled, "_QUICK_SECONDS")):
        monkeypatch.setattr(module, name, 0.5)
    monkeypatch.setattr(database, "_PAUSE_SECONDS", 0.0)
    path = tmp_path / "spool.sqlite" if when_down == "spool" else None
    with open_log(hanging.url, spool=path) as log:
        log.append(record())
        hanging.hang()
        for name, call in _CALLS.items():
            if path is not None and name in ("append", "check"):
                call(log)
            else:
                with pytest.raises(LogError, match="did not respond within"):
                    call(log)
        hanging.resume()
        if path is not None:
            wait_until(lambda: _is_reachable(log))
        log.append(record())


def _is_reachable(log: SqlLog) -> bool:
    try:
        log.recent(1)
    except LogError:
        return False
    return True


def test_a_label_whose_transaction_is_committed_after_the_deadline_is_stored_once(tmp_path: Path) -> None:
    label = Label(label="1", at=NOON, prediction_id="x")
    with (
        postgres_url() as url,
        psycopg.connect(url, autocommit=True) as blocker,
        open_log(url, spool=tmp_path / "spool.sqlite") as log,
    ):
        log.append(record())
        # The database commits a label only when the blocker lets it.
        blocker.execute(
            """
            CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS
                $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON nbship_labels DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION hold()
            """
        )
        blocker.execute("SELECT pg_advisory_lock(4711)")
        log.append(label)
        # Now the spool has it, and the first transaction holds it too. Forwarding waits for that transaction.
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
        wait_until(lambda: blocker.execute(waiting).fetchone()[0] >= 2)
        blocker.execute("SELECT pg_advisory_unlock(4711)")
        wait_until(lambda: _is_reachable(log))
        assert log.labels() == [label]


def test_a_stop_that_hangs_is_ended(small_package: Path, tmp_path: Path) -> None:
    script = "import time; from nbship.prediction_log import SqlLog; SqlLog.close = lambda self: time.sleep(600)"
    with serving(small_package, tmp_path, script=script) as (_, process):
        process.terminate()
        assert process.wait(PATIENCE) == 1
