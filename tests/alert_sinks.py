"""Sinks on this machine for tests of alerts: a webhook and a mail server; and reports that raise alerts."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from nbship.monitoring import write_report

__all__ = ["Webhook", "mail_server", "project_folder", "webhook", "write_window"]


@dataclass
class Webhook:
    """A server that records what is posted to it.

    Attributes
    ----------
    respond
        Called with each path; returns the status and headers of the response.
    received
        Called after a message was recorded, and after its response was sent.
    """

    port: int = 0
    messages: list[Mapping[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    respond: Callable[[str], tuple[int, Mapping[str, str]]] = lambda _: (200, {})
    received: Callable[[str], None] = lambda _: None

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/alerts"

    @property
    def bodies(self) -> str:
        return "\n".join(str(message["message"]) for message in self.messages)


@contextmanager
def webhook(port: int = 0) -> Iterator[Webhook]:
    found = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.paths.append(self.path)
            body = self.rfile.read(int(self.headers["content-length"]))
            status, headers = found.respond(self.path)
            if status == 200:
                found.messages.append(json.loads(body))
                found.received("recorded")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            found.received("responded")

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    found.port = server.server_port
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def mail_server() -> Iterator[tuple[int, list[Any]]]:
    """Yield the port of an SMTP server, and its messages."""
    from aiosmtpd.controller import Controller

    messages: list[Any] = []

    class Handler:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
            messages.append(message_from_bytes(envelope.content, policy=policy.default))
            return "250 OK"

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(Handler(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port, messages
    finally:
        controller.stop()


def project_folder(folder: Path, alerts: str, *, name: str = "shop", extra: str = "") -> Path:
    """Write a project with alerts, without a package."""
    (folder / "pipeline.yaml").write_text("tasks: []\n")
    indented = "\n".join(f"  {line}" for line in alerts.splitlines())
    (folder / "nbship.yaml").write_text(f"project: {{name: {name}}}\nalerts:\n{indented}\n{extra}")
    return folder


def write_window(
    folder: Path,
    first: str,
    last: str,
    fields: Mapping[str, str] | None = None,
    *,
    sections: Mapping[str, Any] | None = None,
    model: Sequence[str] = (),
) -> Path:
    """Write a report whose inputs have these verdicts."""
    drift = [
        {"field": name, "verdict": verdict, "checks": [{"check": "missing", "verdict": verdict}]}
        for name, verdict in (fields or {}).items()
    ]
    report = {"format": 1, "model": "shop", "window": {"from": first, "to": last, "timezone": "UTC"}, "drift": drift}
    path = Path(folder, ".nbship/state/monitoring", *model, f"{first}_{last}", "report.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_report({**report, **(sections or {})}, path)
