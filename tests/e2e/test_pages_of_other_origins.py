"""A page of another origin, in Chromium: it reaches nothing, unless `serving.cors` names its origin."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from browser import new_page, require_browser
from servers import serving

from nbship.prediction_log import open_log

require_browser()
RECORD = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}
PAGE = """<script>
const url = "%s", body = JSON.stringify(%s), results = [];
const attempts = {
  simple: () => fetch(url + "/predict", {method: "POST", mode: "no-cors", body: new Blob([body])}),
  typed: () => fetch(url + "/predict", {method: "POST", headers: {"Content-Type": "application/json"}, body}).then(r => r.json()),
  feedback: () => fetch(url + "/feedback", {method: "POST", mode: "no-cors", body: new Blob([body])}),
  read: () => fetch(url + "/metrics").then(r => r.text()),
};
(async () => {
  for (const [name, attempt] of Object.entries(attempts)) {
    try { const found = await attempt(); results.push(name + "=" + (found.probability ?? found.type ?? "text")); }
    catch (error) { results.push(name + "=blocked"); }
  }
  document.title = results.join(" ");
})();
</script>"""


class OtherOrigin(HTTPServer):
    """A server of the page.

    Attributes
    ----------
    url
        The service that the page calls.
    """

    url = ""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, OtherOrigin)
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write((PAGE % (self.server.url, json.dumps(RECORD))).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def other() -> Iterator[OtherOrigin]:
    with OtherOrigin(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def results(address: str) -> Iterator[dict[str, str]]:
    with new_page(height=400) as page:
        page.goto(address)
        page.wait_for_function("document.title.includes('read=')")
        yield dict(part.split("=") for part in page.title().split())


def test_a_page_of_another_origin_reaches_nothing(small_package: Path, tmp_path: Path, other: OtherOrigin) -> None:
    with serving(small_package, tmp_path) as (url, _):
        other.url = url
        with results(other.address) as found:
            # The browser hides the response to a request without CORS: what matters is that nothing was logged.
            assert found == {"simple": "opaque", "typed": "blocked", "feedback": "opaque", "read": "blocked"}
    with open_log(tmp_path / "state" / "predictions.sqlite") as log:
        assert log.recent(10) == []
        assert log.labels() == []


def test_a_page_of_an_allowed_origin_predicts(small_package: Path, tmp_path: Path, other: OtherOrigin) -> None:
    with serving(small_package, tmp_path, environ={"NBSHIP_SERVING__CORS": other.address}) as (url, _):
        other.url = url
        with results(other.address) as found:
            assert 0 < float(found["typed"]) < 1
            assert found["read"] == "text"


def test_the_documentation_predicts(small_package: Path, tmp_path: Path) -> None:
    """The security policy of the page allows its own script."""
    with serving(small_package, tmp_path) as (url, _), new_page(height=900) as page:
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(f"{url}/docs")
        before = page.inner_text("#response")
        page.click("#send")
        page.wait_for_function("before => document.getElementById('response').innerText !== before", arg=before)
        assert json.loads(page.inner_text("#response"))["version"]
        assert page.inner_text("#curl").startswith(f"curl {url}/predict")
    assert [problem for problem in problems if "favicon" not in problem] == []
