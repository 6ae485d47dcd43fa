"""Run the service on uvicorn: disconnect slow clients, drain before stopping."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import uvicorn

from ..errors import ServingError
from ..project import ServingSection
from .http import Connection, Outbox
from .service import Service

__all__ = ["Server", "config_of", "run"]

_LOGGER = logging.getLogger(__name__)

# After draining, running requests may take the first time; the second includes writing the log. Container runtimes kill
# a process after 10 s.
_FINISH_SECONDS, _STOP_SECONDS = 6, 9
_BACKLOG = 4096


class Server(uvicorn.Server):
    """uvicorn's server for a `Service`: it drains before it stops, and disconnects slow clients.

    Parameters
    ----------
    announce
        Called when the service is ready.
    parent
        The process without which the server stops: a supervisor that was killed must not leave its workers.
    """

    def __init__(
        self, config: uvicorn.Config, *, announce: Callable[[], None] = lambda: None, parent: int | None = None
    ) -> None:
        super().__init__(config)
        self._announce, self._parent = announce, parent
        self._stops_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # The loaded model and libraries stay alive: exclude them from garbage collection.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        # The thread that writes the log should not wait long for the event loop to release the GIL.
        sys.setswitchinterval(0.0005)
        if self.started:
            self._announce()

    async def on_tick(self, counter: int) -> bool:
        now = time.monotonic()
        if counter % 10 == 0:
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.close_slow(now)
        orphaned = self._parent is not None and os.getppid() != self._parent
        if orphaned or (self._stops_at is not None and now >= self._stops_at):
            self.should_exit = True
        stop: bool = await super().on_tick(counter)
        return stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        drain = self._service.settings.drain_seconds
        if self._stops_at is None:
            _exit_after(drain + _STOP_SECONDS)
            self._stops_at = time.monotonic() + drain
            if drain:
                self._service.drain()
                return
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals(), _handling_hangup(self.handle_exit):
            yield
            # A requested stop is a success: do not raise the signal again.
            self._captured_signals.clear()

    @property
    def _service(self) -> Service:
        app: Any = self.config.app
        return app if isinstance(app, Service) else self.config.loaded_app


@contextmanager
def _handling_hangup(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle SIGHUP, sent as a terminal closes, like SIGTERM; under nohup it stays ignored."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
    else:
        yield


def _exit_after(seconds: float) -> None:
    """End the process after this time, whatever it waits for. What callers have received is in the log."""

    def end() -> None:
        _LOGGER.error("The service did not stop within %g seconds, so its process was ended.", seconds)
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def config_of(app: Any, settings: ServingSection | None = None, *, workers: int = 1) -> uvicorn.Config:
    """Return uvicorn's configuration for a service."""
    settings = settings or ServingSection()
    connection: Any = partial(Connection, Outbox())
    return uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="on", server_header=False, ws="none", http=connection,
        loop="uvloop", timeout_graceful_shutdown=_FINISH_SECONDS, workers=workers, proxy_headers=False, backlog=_BACKLOG,
        timeout_keep_alive=settings.keep_alive_seconds, root_path=settings.prefix, factory=isinstance(app, str),
    )  # fmt: skip


def run(app: Service, sockets: Sequence[socket.socket], *, announce: Callable[[], None]) -> None:
    """Serve on bound sockets until Ctrl-C or SIGTERM; running requests are completed first.

    Parameters
    ----------
    announce
        Called when the service is ready.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    server = Server(config_of(app, app.settings), announce=announce)
    try:
        server.run(sockets=list(sockets))
    finally:
        for each in sockets:
            each.close()
    if not server.started:
        raise ServingError("The service did not start. See the error above.")
