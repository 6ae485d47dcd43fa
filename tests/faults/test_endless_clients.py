"""Clients that never end a request, or never read a response: their bytes and seconds are bounded until the connection is idle."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from typing import BinaryIO

import httpx
import pytest
from rest_server import RECORD, resident_memory
from servers import serving
from waiting import PATIENCE, wait_until

pytestmark = pytest.mark.timeout(1800)
MOST_BYTES = 1_000_000
SLACK = 8_000_000
CHUNKED = (
    b"POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
)
GET = b"GET %s HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n"
PART = b"a" * 60_000
# What comes first, and what is then repeated for ever.
ENDLESS = {
    "headers": (b"POST /predict HTTP/1.1\r\n", b"x-%s: 1\r\n" % PART),
    "one header": (b"POST /predict HTTP/1.1\r\nx: ", PART),
    "target": (b"POST /", PART),
    "trailers": (CHUNKED + b"1\r\n \r\n0\r\n", b"x-%s: 1\r\n" % PART),
    "short trailers": (CHUNKED + b"0\r\n", b"x: 1\r\n" * 10_000),
    "one trailer": (CHUNKED + b"0\r\nx: ", PART),
    "chunks": (CHUNKED, b"%x\r\n%s\r\n" % (len(PART), PART)),
    "short chunks": (CHUNKED, b"1\r\n \r\n" * 10_000),
    "chunk extension": (CHUNKED + b"1;x=", PART),
    "body of a GET": (GET % b"/v2/health/live", b"%x\r\n%s\r\n" % (len(PART), PART)),
    "body of an unknown path": (CHUNKED.replace(b"/predict", b"/nowhere"), b"%x\r\n%s\r\n" % (len(PART), PART)),
    "announced body": (CHUNKED.replace(b"transfer-encoding: chunked", b"content-length: 9999999999"), PART),
    "empty lines after a request": (GET % b"/v2/health/live" + b"0\r\n\r\n", b"\r\n" * 30_000),
}
# Empty lines cost no memory: only their time is limited.
ONLY_TIME = {"empty lines after a request"}


@pytest.fixture(scope="module")
def keyed(small_package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The address and process of a service that needs keys, which these clients do not have."""
    folder = tmp_path_factory.mktemp("keyed")
    (folder / "state").mkdir()
    key = {"name": "shop", "roles": ["predict"], "sha256": "0" * 64}
    (folder / "state/keys.json").write_text(json.dumps({"keys": [key]}))
    environ = {
        "NBSHIP_SERVING__AUTH": "keys", "NBSHIP_SERVING__MAX_BYTES": str(MOST_BYTES), "NBSHIP_SERVING__RECEIVE_SECONDS": "2", "NBSHIP_SERVING__SEND_SECONDS": "5",
    }  # fmt: skip
    with serving(small_package, folder, environ=environ) as (url, server):
        yield url, server.pid


def _dial(url: str, *, buffer: int = 0) -> socket.socket:
    line = socket.socket()
    if buffer:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    host, port = url.removeprefix("http://").split(":")
    line.connect((host, int(port)))
    line.settimeout(PATIENCE)
    return line


@pytest.mark.parametrize("what", ENDLESS)
def test_a_client_without_a_key_cannot_send_for_ever(keyed: tuple[str, int], what: str) -> None:
    url, pid = keyed
    assert httpx.post(f"{url}/predict", json=RECORD).status_code == 401
    before, sent = resident_memory(pid), 0
    first, part = ENDLESS[what]
    with _dial(url) as line:
        try:
            for data in chain([first], repeat(part)):
                line.sendall(data)
                sent += len(data)
                if what in ONLY_TIME:
                    time.sleep(0.05)
                else:
                    assert sent < 20 * MOST_BYTES
        except OSError:
            pass  # The service closed the connection.
    assert resident_memory(pid) - before < SLACK
    if what not in ONLY_TIME:
        # A chunk of one byte takes six; the socket's buffers hold a part of what is sent.
        assert sent < 6 * MOST_BYTES + SLACK


@pytest.fixture(scope="module")
def slow_clients(keyed: tuple[str, int]) -> Iterator[dict[str, Future[list[bool]]]]:
    """All slow clients at once, because each waits for seconds."""
    with ThreadPoolExecutor(len(ENDLESS)) as clients:
        yield {what: clients.submit(_send_slowly, keyed[0], what) for what in ENDLESS}


def _send_slowly(url: str, what: str) -> list[bool]:
    """Send a byte after the other until the service closes the connection; return after which bytes it was closed."""
    first, part = ENDLESS[what]
    with _dial(url) as line:
        line.sendall(first)
        line.settimeout(0.1)
        ends: list[bool] = []
        parts = iter(part * 100)

        def ended() -> bool:
            try:
                line.send(bytes([next(parts)]))
                ends.append(line.recv(65_536) == b"")
            except TimeoutError:
                ends.append(False)
            except OSError:
                ends.append(True)
            return ends[-1]

        wait_until(ended)
    return ends


@pytest.mark.parametrize("what", ENDLESS)
def test_a_client_that_sends_slowly_is_disconnected(
    keyed: tuple[str, int], slow_clients: dict[str, Future[list[bool]]], what: str
) -> None:
    ends = slow_clients[what].result()
    assert ends[-1]
    assert ends.count(True) == 1
    assert httpx.post(f"{keyed[0]}/predict", json=RECORD).status_code == 401


@pytest.mark.parametrize(
    "path", ["/metrics", *(pytest.param(path, marks=pytest.mark.long) for path in ("/v2/health/live", "/nowhere"))]
)
def test_a_client_that_reads_no_response_cannot_send_requests_for_ever(keyed: tuple[str, int], path: str) -> None:
    url, pid = keyed
    before, sent = resident_memory(pid), 0
    requests = b"GET %s HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" % path.encode() * 500
    with _dial(url, buffer=4096) as line, suppress(OSError):
        while True:
            # It ends as the service closes the connection.
            line.sendall(requests)
            sent += len(requests)
            assert sent < 20 * MOST_BYTES
    assert resident_memory(pid) - before < SLACK
    assert sent < 6 * MOST_BYTES + SLACK


def test_requests_that_are_sent_before_their_responses_are_answered_in_order(
    small_package: Path, tmp_path: Path
) -> None:
    count, row = 3000, json.dumps(RECORD).encode()
    head = b"POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nx-request-id: %d\r\ncontent-length: %d\r\n\r\n"
    bodies = [row if number % 1000 else b"[%s]" % b",".join([row] * 1000) for number in range(count)]
    requests = b"".join(head % (number, len(body)) + body for number, body in enumerate(bodies))
    with serving(small_package, tmp_path) as (url, _), _dial(url) as line, line.makefile("rb") as reader:
        sending = threading.Thread(target=line.sendall, args=[requests])
        sending.start()
        found = [_read_response(reader) for _ in range(count)]
        sending.join()
    assert [id for _, id, _ in found] == list(range(count))
    assert {status for status, _, _ in found} == {200}
    assert [rows for _, _, rows in found] == [1 if number % 1000 else 1000 for number in range(count)]


def _read_response(reader: BinaryIO) -> tuple[int, int, int]:
    """Return the status, the request id and the number of predictions of the next response."""
    status = int(reader.readline().split()[1])
    headers = dict(iter(lambda: tuple(reader.readline().strip().split(b": ")), (b"",)))
    body = json.loads(reader.read(int(headers[b"content-length"])))
    return status, int(headers[b"x-request-id"]), len(body) if isinstance(body, list) else 1


@pytest.fixture(scope="module")
def served(small_package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service without keys."""
    with serving(small_package, tmp_path_factory.mktemp("served")) as (url, _):
        yield url


def test_trailers_are_no_headers(served: str) -> None:
    body = json.dumps(RECORD).encode()
    request = CHUNKED + b"%x\r\n%s\r\n0\r\nx-request-id: forged\r\n\r\n" % (len(body), body)
    with _dial(served) as line:
        line.sendall(request)
        response = line.recv(65_536)
    assert response.startswith(b"HTTP/1.1 200 ")
    assert b"forged" not in response


def test_a_response_that_is_not_read_counts_and_has_a_deadline(small_package: Path, tmp_path: Path) -> None:
    # The response is larger than the buffers of a socket.
    rows = json.dumps([RECORD] * 60_000).encode()
    head = CHUNKED.replace(b"transfer-encoding: chunked", b"content-length: %d" % len(rows))
    environ = {"NBSHIP_SERVING__SEND_SECONDS": "15", "NBSHIP_SERVING__QUEUE": "1"}
    with serving(small_package, tmp_path, environ=environ) as (url, _):
        with _dial(url, buffer=4096) as line:
            line.sendall(head + rows)
            # The response is computed, and still counts.
            wait_until(lambda: 'route="predict",status="200"} 1.0' in httpx.get(f"{url}/metrics").text)
            assert httpx.post(f"{url}/predict", json=RECORD).status_code == 429
            assert httpx.get(f"{url}/v2/health/live").status_code == 200
            wait_until(lambda: httpx.post(f"{url}/predict", json=RECORD).status_code == 200)
            with suppress(ConnectionError):
                assert len(line.recv(len(rows))) < len(rows)
        # A client that reads, though late, gets all of it.
        with _dial(url, buffer=4096) as slow:
            slow.sendall(head + rows)
            start = slow.recv(4096)
            length = int(re.search(rb"content-length: (\d+)", start)[1])
            received = len(start) - start.index(b"\r\n\r\n") - 4
            while received < length:
                received += len(slow.recv(1 << 20))
            assert received == length


SINGLE = [
    "authorization", "content-encoding", "content-type", "inference-header-content-length", "origin",
    "sec-fetch-mode", "sec-fetch-site", "traceparent", "x-api-key", "x-forwarded-user", "x-request-id",
]  # fmt: skip


@pytest.mark.parametrize("name", SINGLE)
def test_a_header_that_says_two_things_is_rejected(served: str, name: str) -> None:
    twice = [(name, "127.0.0.1"), (name.upper(), "other")]
    headers = [*twice, *({"host": "127.0.0.1"} if name != "host" else {}).items()]
    response = httpx.post(f"{served}/predict", content=json.dumps(RECORD), headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["message"] == f"The request has the header '{name}' more than once. Send it once."
