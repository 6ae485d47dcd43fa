from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import Callable

import httpx
import pytest
import uvicorn
from servers import running
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from waiting import PATIENCE, wait_until

from nbship.serving.http import uvicorn_protocol
from nbship.serving.uvicorn_server import config_of

GET = b"GET %s HTTP/1.1\r\nHost: here\r\n\r\n"


async def app(scope, receive, send) -> None:
    """Respond to `/n` with n bytes, and to `/n/late` after other requests."""
    _, size, *late = scope["path"].split("/")
    if late:
        await asyncio.sleep(0.05)
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", size.encode())]},
    )
    await send({"type": "http.response.body", "body": b"x" * int(size)})


@pytest.fixture
def dial():
    with running(app, lifespan="off") as client:
        address = (client.base_url.host, client.base_url.port)

        def connect() -> socket.socket:
            return socket.create_connection(address, timeout=PATIENCE)

        yield connect


def test_head_and_body_are_sent_in_one_write(dial: Callable[[], socket.socket]) -> None:
    with dial() as one, dial() as other:
        other.sendall(GET % b"/9/late")
        for _ in range(20):
            one.sendall(GET % b"/7")
            assert one.recv(1000).endswith(b"\r\n\r\n" + b"x" * 7)
        assert other.recv(1000).endswith(b"x" * 9)


def test_requests_sent_ahead_are_answered_in_order(dial: Callable[[], socket.socket]) -> None:
    sizes = [5, 100_000, 3, 70_000, 1]
    with dial() as one:
        one.sendall(b"".join(GET % f"/{size}/late".encode() for size in sizes))
        with one.makefile("rb") as answers:
            for size in sizes:
                while (line := answers.readline()) != b"\r\n":
                    assert line
                assert answers.read(size) == b"x" * size


def test_held_data_are_sent_before_the_connection_closes(dial: Callable[[], socket.socket]) -> None:
    with dial() as one, dial() as other:
        other.sendall(GET % b"/9/late")
        one.sendall(b"GET /200000 HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        with one.makefile("rb") as answer:
            assert answer.read().endswith(b"\r\n\r\n" + b"x" * 200_000)


def test_a_client_that_disconnects_does_not_affect_others(dial: Callable[[], socket.socket]) -> None:
    for _ in range(20):
        with dial() as gone:
            gone.sendall(GET % b"/70000/late")
    with dial() as one:
        one.sendall(GET % b"/7/late")
        assert one.recv(1000).endswith(b"x" * 7)


def test_a_new_connection_may_send_its_request_while_the_server_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn_protocol, "_LAST_SECONDS", PATIENCE)
    config = config_of(app)
    config.port, config.lifespan = 0, "off"
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    address = server.servers[0].sockets[0].getsockname()
    with socket.create_connection(address, timeout=PATIENCE) as one, socket.create_connection(address) as unused:
        one.sendall(b"GET /7 HTTP/1.1\r\n")
        wait_until(lambda: len(server.server_state.connections) == 2)
        server.should_exit = True
        wait_until(lambda: not _is_listening(address))
        unused.close()
        one.sendall(b"Host: here\r\n\r\n")
        with one.makefile("rb") as answer:
            content = answer.read()
    assert b"connection: close" in content
    assert content.endswith(b"\r\n\r\n" + b"x" * 7)
    thread.join()


def test_a_request_leaves_nothing_for_the_garbage_collector(client: httpx.Client) -> None:
    record = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            assert client.post("/predict", json=record).status_code == 200
        # A connection has its last one.
        assert sum(isinstance(each, RequestResponseCycle) for each in gc.get_objects()) < 5
    finally:
        gc.enable()


def _is_listening(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address).close()
    except OSError:
        return False
    return True
