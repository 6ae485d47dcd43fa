"""A full disk loses nothing, and what follows needs no space on it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from disks import fill, small_disk
from faults.rest_server import RECORD
from prediction_log.test_log import NOON, record
from servers import serving
from services import PostgresServer, postgres_server
from waiting import PATIENCE, wait_until

from nbship.errors import LogError
from nbship.prediction_log import Record, SqlLog, new_id, open_log

_LIST = [RECORD] * 200


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


def _predict(url: str) -> list[str] | None:
    """Send a list of records; return the ids, or None if the log is not available."""
    response = httpx.post(f"{url}/predict", json=_LIST, timeout=PATIENCE)
    assert response.status_code in (200, 503)
    return [one["id"] for one in response.json()] if response.status_code == 200 else None


def _fill_spool(url: str) -> list[str]:
    """Send lists until the spool's disk is full; return the acknowledged ids."""
    ids: list[str] = []
    while (acknowledged := _predict(url)) is not None:
        ids += acknowledged
    return ids


def _append_until_full(log: SqlLog, one: Record) -> None:
    while True:
        log.append(one._replace(id=new_id()))


@pytest.mark.parametrize("command", ["prune", "forget"])
@pytest.mark.parametrize("served", [True, False])
def test_old_records_are_deleted_from_a_full_disk(
    small_package: Path, tmp_path: Path, command: str, *, served: bool
) -> None:
    arguments = {"prune": ["--before", "2999-01-01"], "forget": ["--field", "line", "--value", RECORD["line"]]}
    with small_disk(tmp_path / "state", bytes=64 * 2**20) as state, serving(small_package, tmp_path) as (url, process):
        for _ in range(20):
            assert _predict(url) is not None
        # Another program fills the disk to the last byte, and what was acknowledged is there.
        filler = fill(state)
        wait_until(lambda: httpx.get(f"{url}/v2/health/ready", timeout=PATIENCE).status_code == 503)
        assert _predict(url) is None
        if not served:
            process.kill()
            process.wait()
        command_line = ["nbship", "log", command, *arguments[command], "--package", str(small_package), "--json"]
        done = subprocess.run(
            command_line, env=os.environ | {"NBSHIP_STATE": str(state)}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert next(iter(json.loads(done.stdout).values())) >= 20 * len(_LIST)
        with open_log(state / "predictions.sqlite") as log:
            assert log.counts(NOON - timedelta(days=9999), NOON + timedelta(days=9999))[1] == 0
        if served:
            # The deleted records' space is there again, for new ones and for the next time.
            filler.unlink()
            wait_until(lambda: _predict(url) is not None)
            wait_until(lambda: httpx.get(f"{url}/v2/health/ready", timeout=PATIENCE).status_code == 200)


def test_old_records_are_deleted_from_a_log_that_filled_its_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "state", bytes=64 * 2**20) as state, open_log(state / "log.sqlite") as log:
        old = record(at=NOON - timedelta(days=1), inputs=f'{{"text":"{"x" * 50_000}"}}')
        with pytest.raises(LogError, match="reserved for deleting old records"):
            _append_until_full(log, old)
        count = log.counts(NOON - timedelta(days=2), NOON)[1]
        assert count > 100
        with pytest.raises(LogError, match="The disk is full"):
            log.append(old._replace(id=new_id()))
        # Another process deletes, while the service has its log open.
        with open_log(state / "log.sqlite") as other:
            assert other.prune(NOON) == count
        log.check()
        log.append(record())
        assert sum(path.stat().st_size for path in state.iterdir() if not path.name.endswith("-reserve")) < 2**20


@pytest.mark.parametrize(
    "command",
    [
        "keys add shop --role predict",
        "log export --package {package} {disk}/records.parquet",
        "package container {package} --to {disk}/image",
        "package onnx {package} --to {disk}/small.onnx",
        "package sign {copy} --key {key}",
        "package wheel {package} --to {disk}/wheels",
        "predict --package {package} {rows} {disk}/scored.csv",
    ],
)
def test_commands_end_with_one_sentence_on_a_full_disk(small_package: Path, tmp_path: Path, command: str) -> None:
    key, rows = tmp_path / "maker.pem", tmp_path / "rows.csv"
    generate = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", key]
    subprocess.run(generate, check=True, capture_output=True)
    rows.write_text("\n".join([",".join(RECORD), *[",".join(map(str, RECORD.values()))] * 1000]))
    with small_disk(tmp_path / "disk", bytes=2**20) as disk:
        copy = shutil.copytree(small_package, disk / "small")
        fill(disk)
        words = command.format(disk=disk, package=small_package, copy=copy, key=key, rows=rows).split()
        environ = os.environ | {"NBSHIP_STATE": str(disk / "state")}
        done = subprocess.run(
            ["nbship", *words], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert re.fullmatch(r"nbship: [^\n]*(No space left on device|disk is full|disk I/O)[^\n]*\n", done.stderr), (
        done.stderr
    )


def test_a_build_context_stays_if_the_next_one_does_not_fit(small_package: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", bytes=8 * 2**20) as disk:
        build = ["nbship", "package", "container", str(small_package), "--to", str(disk / "image")]
        subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
        before = {path: path.read_bytes() for path in (disk / "image").rglob("*") if path.is_file()}
        filler = fill(disk)
        assert subprocess.run(build, cwd=tmp_path, check=False, capture_output=True).returncode == 1
        filler.unlink()
        assert {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()} == before


def test_a_spool_that_filled_its_disk_recovers_without_space(
    small_package: Path, tmp_path: Path, server: PostgresServer
) -> None:
    environ = {"NBSHIP_LOG__URL": server.url, "NBSHIP_LOG__WHEN_DOWN": "spool"}
    with small_disk(tmp_path / "state", bytes=2**20) as state:
        with serving(small_package, tmp_path, environ=environ) as (url, process):
            assert _predict(url) is not None
            server.hang()
            ids = _fill_spool(url)
            assert ids
            fill(state)
            assert _predict(url) is None
            wait_until(lambda: httpx.get(f"{url}/v2/health/ready", timeout=PATIENCE).status_code == 503)
            server.resume()
            # Nothing was deleted from the disk.
            wait_until(lambda: _predict(url) is not None)
            wait_until(lambda: not list(state.glob("predictions.spool/*.jsonl")))
            wait_until(lambda: httpx.get(f"{url}/v2/health/ready", timeout=PATIENCE).status_code == 200)
            server.hang()
            ids += _fill_spool(url)
            process.kill()
        fill(state)
        server.resume()
        # The next service starts on the full disk.
        with serving(small_package, tmp_path, environ=environ) as (url, _), open_log(server.url) as log:
            wait_until(lambda: log.known(ids) == set(ids))
            assert _predict(url) is not None
            wait_until(lambda: not list(state.glob("predictions.spool/*.jsonl")))
