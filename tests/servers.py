"""A real server in a thread, and a real client of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from nbship.serving.server import config_of


@contextmanager
def running(app: Any, *, lifespan: str = "on") -> Iterator[httpx.Client]:
    """Serve an ASGI application on a free port; yield a client of it."""
    config = config_of(app)
    config.host, config.port, config.lifespan = "127.0.0.1", 0, lifespan
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "The server did not start."
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
