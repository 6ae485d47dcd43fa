"""A source over HTTP: whole responses of bounded size, within time limits, and from no address that is not declared."""

from __future__ import annotations

import gzip
import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest
from source_kinds import ZONE, make_orders, write_csv, write_project
from waiting import in_time

from nbship import project
from nbship.data.sources import parse_days
from nbship.errors import DataError, SourceDownError, SourceError
from nbship.operations import Fetched, fetch

WEEK = parse_days("2026-06-08", "2026-06-15", zone=ZoneInfo(ZONE))


class Handler(http.server.BaseHTTPRequestHandler):
    """Responds by the path, with what a server may do."""

    content = b""
    seen: ClassVar[list[tuple[str, str | None]]] = []
    failures = 0
    elsewhere = ""
    ended = threading.Event()

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].strip("/").removesuffix(".csv")
        self.seen.append((self.path, self.headers["Authorization"]))
        getattr(self, f"_{name}")()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def _respond(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for header, value in {"Content_Length": str(len(content)), **headers}.items():
            self.send_header(header.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def _whole(self) -> None:
        self._respond(gzip.compress(self.content), Content_Encoding="gzip")

    def _short(self) -> None:
        self._respond(self.content[:500], Content_Length=str(len(self.content)))

    def _bomb(self) -> None:
        self._respond(gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")

    def _silent(self) -> None:
        self.ended.wait()

    def _pausing(self) -> None:
        self._short()
        self.wfile.flush()
        self.ended.wait()

    def _dripping(self) -> None:
        self._respond(b"", Content_Length="1000000")
        while not self.ended.is_set():
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.1)

    def _locked(self) -> None:
        self._respond(b"", 401)

    def _gone(self) -> None:
        self._respond(b"", 404)

    def _busy(self) -> None:
        self._respond(b"", 503)

    def _unstable(self) -> None:
        type(self).failures += 1
        self._respond(*(((b"", 503)) if self.failures == 1 else (self.content,)))

    def _moved(self) -> None:
        self._respond(b"", 302, Location=f"{self.elsewhere}/whole.csv")

    def _circle(self) -> None:
        self._respond(b"", 302, Location="/circle.csv")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("served") / "orders.csv"
    write_csv(path, make_orders())
    Handler.content = path.read_bytes()
    with running("127.0.0.1") as first, running("127.0.0.2") as Handler.elsewhere:
        yield first
        Handler.ended.set()


@contextmanager
def running(host: str) -> Iterator[str]:
    with http.server.ThreadingHTTPServer((host, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://{host}:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def fetch_from(url: str, root: Path, **settings: Any) -> Fetched:
    shop = project.load(write_project(root, {"url": url, **settings}))
    with in_time():
        return fetch(shop, "orders", WEEK)


@pytest.mark.parametrize(
    ("page", "settings", "error", "message"),
    [
        ("short", {}, SourceDownError, r"is down: 'http://127\.0\.0\.1:\d+/short\.csv': it ended the connection before the whole response"),
        ("bomb", {"max_bytes": 1_000_000}, SourceError, r"is too large: the response of '.*' has more than 1,000,000 bytes"),
        ("silent", {"read_seconds": 1}, SourceDownError, r"is down: .*it sent nothing for 1 s|it did not respond within"),
        ("pausing", {"read_seconds": 1}, SourceDownError, r"is down: .*(it sent nothing for 1 s)"),
        ("dripping", {"total_seconds": 1.5}, SourceDownError, r"is too slow: it was not read within 1\.5 s"),
        ("locked", {}, SourceError, r"rejected the credentials: '.*' responded with HTTP status 401\. Check the variables in 'data\.sources\.orders\.headers'"),
        ("gone", {}, SourceError, r"has nothing at its address: '.*/gone\.csv' responded with HTTP status 404"),
        ("busy", {}, SourceDownError, r"is down: '.*' responded with HTTP status 503"),
        ("moved", {}, SourceError, r"leads elsewhere: '127\.0\.0\.2' is not on the internet\. If it is meant, add '127\.0\.0\.2' to 'data\.sources\.orders\.allow_private'"),
        ("circle", {}, SourceError, r"leads elsewhere: '.*/circle\.csv' redirects more than 5 times"),
    ],
)  # fmt: skip
def test_what_a_server_may_do_has_a_sentence(
    page: str, settings: dict[str, Any], error: type[DataError], message: str, address: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message) as caught:
        fetch_from(f"{address}/{page}.csv?token=topsecret", tmp_path, **settings)
    assert "topsecret" not in str(caught.value)
    assert not (tmp_path / "windows").exists()


def test_no_server_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        SourceDownError, match=r"is down: 'http://127\.0\.0\.1:1/a\.csv': it did not accept a connection"
    ):
        fetch_from("http://127.0.0.1:1/a.csv", tmp_path)


def test_a_source_that_is_down_for_a_second_is_asked_again(address: str, tmp_path: Path) -> None:
    assert fetch_from(f"{address}/unstable.csv", tmp_path, retries=1).rows == 7 * 24


def test_the_last_windows_stay_while_a_source_is_down(address: str, tmp_path: Path) -> None:
    found = fetch_from(f"{address}/busy.csv", tmp_path, when_down="last")
    assert (found.state, found.rows) == ("down", 0)
    assert "responded with HTTP status 503" in found.message


def test_a_redirect_to_another_host_gets_no_credentials(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "topsecret")
    headers = {"Authorization": "Bearer ${SHOP_TOKEN}"}
    Handler.seen.clear()
    url = f"{address}/moved.csv?from={{from}}&to={{to}}"
    found = fetch_from(url, tmp_path, headers=headers, allow_private=["127.0.0.2"])
    assert found.rows == 7 * 24
    assert Handler.seen == [("/moved.csv?from=2026-06-08&to=2026-06-15", "Bearer topsecret"), ("/whole.csv", None)]
