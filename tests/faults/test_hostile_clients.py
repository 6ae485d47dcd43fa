"""Clients that send too much, too slowly, or a compression bomb are disconnected; other clients are not affected."""

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
from rest_server import RECORD, resident_memory
from servers import serving
from waiting import PATIENCE, wait_until

pytestmark = pytest.mark.timeout(1800)
DEADLINE = 3
NO_DEADLINE = {"NBSHIP_SERVING__RECEIVE_SECONDS": "600"}


class SlowClients:
    """Connections that send one byte at a time.

    Attributes
    ----------
    received
        The bytes each connection received before it was closed.
    """

    def __init__(self, url: str, *, count: int) -> None:
        host, port = url.removeprefix("http://").split(":")
        heads = [
            b"POST /predict HTTP/1.1\r\nhost: x\r\nx-slow: ",
            b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n",
        ]
        self._lines = [socket.create_connection((host, int(port))) for _ in range(count)]
        self.received = [b""] * count
        for index, line in enumerate(self._lines):
            line.sendall(heads[index % 2])
            line.setblocking(False)

    def send(self) -> bool:
        """Wait, then send one byte on each open connection; return whether all are closed."""
        time.sleep(0.2)
        for index, line in enumerate(self._lines):
            if self.received[index]:
                continue
            try:
                self.received[index] = line.recv(4096) or b"closed"
            except BlockingIOError:
                with contextlib.suppress(OSError):
                    line.send(b"x")
            except OSError:
                self.received[index] = b"closed"
        return all(self.received)

    def close(self) -> None:
        for line in self._lines:
            line.close()


def test_slow_clients_are_cut_off(small_package: Path, tmp_path: Path) -> None:
    environ = {"NBSHIP_SERVING__RECEIVE_SECONDS": str(DEADLINE)}
    with serving(small_package, tmp_path, environ=environ) as (url, _), closing(SlowClients(url, count=200)) as slow:
        wait_until(slow.send)
        assert all(b" 408 " in response or response == b"closed" for response in slow.received)
        assert sum(b" 408 " in response for response in slow.received) >= 150
        assert httpx.post(f"{url}/predict", json=RECORD).status_code == 200


def test_good_clients_do_not_wait_for_slow_ones(small_package: Path, tmp_path: Path, full: bool) -> None:
    """Slow clients are never disconnected here, so a service that waits for one would never respond."""
    with (
        serving(small_package, tmp_path, environ=NO_DEADLINE) as (url, _),
        closing(SlowClients(url, count=200)) as slow,
        httpx.Client(base_url=url, timeout=PATIENCE) as client,
    ):
        for _ in range(20 if full else 5):
            slow.send()
            assert all(client.post("/predict", json=RECORD).status_code == 200 for _ in range(100))
        assert not any(slow.received)


@pytest.mark.long
def test_a_service_without_a_deadline_would_be_caught(small_package: Path, tmp_path: Path) -> None:
    with serving(small_package, tmp_path, environ=NO_DEADLINE) as (url, _), closing(SlowClients(url, count=20)) as slow:
        time.sleep(2 * DEADLINE)
        assert not slow.send()


def huge(size: int) -> Iterator[bytes]:
    part = b" " * 1_000_000
    for _ in range(size // len(part)):
        yield part


def test_large_bodies_are_rejected_and_not_stored(small_package: Path, tmp_path: Path, full: bool) -> None:
    size = 1_000_000_000 if full else 100_000_000
    with serving(small_package, tmp_path) as (url, server), httpx.Client(base_url=url, timeout=PATIENCE) as client:
        client.post("/predict", json=RECORD)
        before = resident_memory(server.pid)
        for content, headers in (
            (huge(size), {}), (huge(size), {"content-length": str(size)}),
            (gzip.compress(b" " * 50_000_000), {"content-encoding": "gzip"}),
        ):  # fmt: skip
            try:
                response = client.post(
                    "/predict", content=content, headers={"content-type": "application/json", **headers}
                )
            except (httpx.WriteError, httpx.RemoteProtocolError, httpx.ReadError, httpx.LocalProtocolError):
                # The server closed the connection while the client was still sending.
                continue
            assert response.status_code in (413, 415), response.text
            assert response.json()["error"]["code"] in ("too_large", "unsupported_encoding")
        # The announced length is rejected before the first byte of the body arrives.
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as line:
            line.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size)
            assert b" 413 " in line.recv(65_536)
        assert resident_memory(server.pid) - before < 60e6
        assert client.post("/predict", json=RECORD).status_code == 200
