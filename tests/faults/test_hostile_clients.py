"""Clients that send too much, too slowly, or what unpacks to too much, are sent away; the others do not notice."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from rest_server import RECORD, memory_of
from servers import serving

pytestmark = pytest.mark.timeout(1800)
DEADLINE = {"NBSHIP_SERVING__RECEIVE_SECONDS": "3"}


def latencies(url: str, *, seconds: float) -> list[float]:
    """Return how long a good client waited for each of its answers, asking one after another."""
    taken, end = [], time.monotonic() + seconds
    with httpx.Client(base_url=url, timeout=30) as client:
        while time.monotonic() < end:
            began = time.monotonic()
            assert client.post("/predict", json=RECORD).status_code == 200
            taken.append(time.monotonic() - began)
    return taken


def slow_clients(url: str, *, count: int, seconds: float) -> list[bytes]:
    """Open so many connections that send a byte at a time; return what each was told."""
    host, port = url.removeprefix("http://").split(":")
    heads = [
        b"POST /predict HTTP/1.1\r\nhost: x\r\nx-slow: ",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n",
    ]
    lines = [socket.create_connection((host, int(port))) for _ in range(count)]
    told = [b""] * count
    for place, line in enumerate(lines):
        line.sendall(heads[place % 2])
        line.setblocking(False)
    end = time.monotonic() + seconds
    while time.monotonic() < end and not all(told):
        for place, line in enumerate(lines):
            if told[place]:
                continue
            with contextlib.suppress(BlockingIOError, OSError):
                line.send(b"x")
            try:
                told[place] = line.recv(4096) or b"closed"
            except BlockingIOError:
                pass
            except OSError:
                told[place] = b"closed"
        time.sleep(0.2)
    for line in lines:
        line.close()
    return told


def test_slow_clients_are_cut_off_and_good_ones_do_not_notice(small_package: Path, tmp_path: Path, full: bool) -> None:
    with serving(small_package, tmp_path, environ=DEADLINE) as (url, _):
        latencies(url, seconds=1)
        alone = latencies(url, seconds=10 if full else 4)
        told: list[list[bytes]] = []
        attack = threading.Thread(target=lambda: told.append(slow_clients(url, count=200, seconds=15)))
        attack.start()
        among = latencies(url, seconds=10 if full else 4)
        attack.join()
        assert all(b" 408 " in answer or answer == b"closed" for answer in told[0])
        assert sum(b" 408 " in answer for answer in told[0]) >= 150
        assert httpx.post(f"{url}/predict", json=RECORD).status_code == 200
        # The machine is noisy: what is measured is that nobody waits for the slow ones.
        assert np.quantile(among, 0.99) <= max(2 * np.quantile(alone, 0.99), 0.05)


def test_a_service_without_a_deadline_is_found_out(small_package: Path, tmp_path: Path) -> None:
    with serving(small_package, tmp_path, environ={"NBSHIP_SERVING__RECEIVE_SECONDS": "600"}) as (url, _):
        assert not all(slow_clients(url, count=20, seconds=6))


def huge(size: int) -> Iterator[bytes]:
    part = b" " * 1_000_000
    for _ in range(size // len(part)):
        yield part


def test_large_bodies_are_refused_and_not_kept(small_package: Path, tmp_path: Path, full: bool) -> None:
    size = 1_000_000_000 if full else 100_000_000
    with serving(small_package, tmp_path) as (url, server), httpx.Client(base_url=url, timeout=60) as client:
        client.post("/predict", json=RECORD)
        before = memory_of(server.pid)
        for content, headers in (
            (huge(size), {}), (huge(size), {"content-length": str(size)}),
            (gzip.compress(b" " * 50_000_000), {"content-encoding": "gzip"}),
        ):  # fmt: skip
            try:
                answer = client.post(
                    "/predict", content=content, headers={"content-type": "application/json", **headers}
                )
            except (httpx.WriteError, httpx.RemoteProtocolError, httpx.ReadError, httpx.LocalProtocolError):
                # It hung up while the rest was still being sent.
                continue
            assert answer.status_code in (413, 415), answer.text
            assert answer.json()["error"]["code"] in ("too_large", "unsupported_encoding")
        # What is announced is believed, before a byte of it comes.
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as line:
            line.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size)
            assert b" 413 " in line.recv(65_536)
        assert memory_of(server.pid) - before < 60e6
        assert client.post("/predict", json=RECORD).status_code == 200
