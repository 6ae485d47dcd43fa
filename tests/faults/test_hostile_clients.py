"""Clients that send too much, too slowly, or what unpacks to too much, are sent away; the others do not notice."""

from __future__ import annotations

import contextlib
import gzip
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from rest_server import RECORD, memory_of
from servers import serving
from waiting import PATIENCE, wait_until

pytestmark = pytest.mark.timeout(1800)
DEADLINE = 3
NO_DEADLINE = {"NBSHIP_SERVING__RECEIVE_SECONDS": "600"}


class SlowClients:
    """So many connections that send a byte at a time.

    Attributes
    ----------
    told
        What each was sent before it was closed.
    """

    def __init__(self, url: str, *, count: int) -> None:
        host, port = url.removeprefix("http://").split(":")
        heads = [
            b"POST /predict HTTP/1.1\r\nhost: x\r\nx-slow: ",
            b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n",
        ]
        self._lines = [socket.create_connection((host, int(port))) for _ in range(count)]
        self.told = [b""] * count
        for place, line in enumerate(self._lines):
            line.sendall(heads[place % 2])
            line.setblocking(False)

    def send(self) -> bool:
        """Send a byte from each that is still open, after a pause; tell whether none is."""
        time.sleep(0.2)
        for place, line in enumerate(self._lines):
            if self.told[place]:
                continue
            try:
                self.told[place] = line.recv(4096) or b"closed"
            except BlockingIOError:
                with contextlib.suppress(OSError):
                    line.send(b"x")
            except OSError:
                self.told[place] = b"closed"
        return all(self.told)

    def close(self) -> None:
        for line in self._lines:
            line.close()


def test_slow_clients_are_cut_off(small_package: Path, tmp_path: Path) -> None:
    environ = {"NBSHIP_SERVING__RECEIVE_SECONDS": str(DEADLINE)}
    with serving(small_package, tmp_path, environ=environ) as (url, _), closing(SlowClients(url, count=200)) as slow:
        wait_until(slow.send)
        assert all(b" 408 " in answer or answer == b"closed" for answer in slow.told)
        assert sum(b" 408 " in answer for answer in slow.told) >= 150
        assert httpx.post(f"{url}/predict", json=RECORD).status_code == 200


def test_good_clients_do_not_wait_for_slow_ones(small_package: Path, tmp_path: Path, full: bool) -> None:
    """The slow ones stay for ever here: who waited for one of them would never get an answer."""
    with (
        serving(small_package, tmp_path, environ=NO_DEADLINE) as (url, _),
        closing(SlowClients(url, count=200)) as slow,
        httpx.Client(base_url=url, timeout=PATIENCE) as client,
    ):
        for _ in range(20 if full else 5):
            slow.send()
            assert all(client.post("/predict", json=RECORD).status_code == 200 for _ in range(100))
        assert not any(slow.told)


def test_a_service_without_a_deadline_is_found_out(small_package: Path, tmp_path: Path) -> None:
    with serving(small_package, tmp_path, environ=NO_DEADLINE) as (url, _), closing(SlowClients(url, count=20)) as slow:
        time.sleep(2 * DEADLINE)
        assert not slow.send()


def huge(size: int) -> Iterator[bytes]:
    part = b" " * 1_000_000
    for _ in range(size // len(part)):
        yield part


def test_large_bodies_are_refused_and_not_kept(small_package: Path, tmp_path: Path, full: bool) -> None:
    size = 1_000_000_000 if full else 100_000_000
    with serving(small_package, tmp_path) as (url, server), httpx.Client(base_url=url, timeout=PATIENCE) as client:
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
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as line:
            line.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size)
            assert b" 413 " in line.recv(65_536)
        assert memory_of(server.pid) - before < 60e6
        assert client.post("/predict", json=RECORD).status_code == 200
