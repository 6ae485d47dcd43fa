"""Operating the service: keys, limits, metrics, workers, draining."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest
from servers import running, serving
from waiting import PATIENCE, wait_until

from nbship import predictor
from nbship.errors import ServingError
from nbship.inference import Logged
from nbship.prediction_log import open_log
from nbship.project import ServingSection
from nbship.serving import Access, KeyFile, Service
from nbship.serving.http.auth import open_access
from nbship.serving.uvicorn_server import config_of

RECORD = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}


def service(package: Path, folder: Path, *, access: Access | None = None, **settings: object) -> Service:
    loaded = predictor.load(package)
    return Service(
        lambda: Logged(loaded, open_log(folder / "log.sqlite"), mode="rest"),
        settings=ServingSection(**settings),  # type: ignore[arg-type]
        access=access,
    )


def test_callers_need_a_key_with_the_role(small_package: Path, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    shop, watch = keys.add("shop", ["predict"]), keys.add("watch", ["metrics"])
    assert shop not in (tmp_path / "keys.json").read_text()
    with running(service(small_package, tmp_path, access=Access("keys", keys), auth="keys")) as client:
        for headers, status in (
            ({}, 401), ({"authorization": "Bearer guess"}, 401), ({"authorization": f"Basic {shop}"}, 401),
            ({"authorization": f"Bearer {watch}"}, 403), ({"authorization": f"Bearer {shop}"}, 200), ({"x-api-key": shop}, 200),
        ):  # fmt: skip
            answer = client.post("/predict", json=RECORD, headers=headers)
            assert answer.status_code == status, headers
            assert shop not in answer.text
            if status != 200:
                assert answer.json()["error"]["code"] in ("unauthorized", "forbidden")
        assert client.post("/feedback", json={}, headers={"x-api-key": shop}).status_code == 403
        assert client.get("/metrics", headers={"x-api-key": shop}).status_code == 403
        assert client.get("/metrics", headers={"x-api-key": watch}).status_code == 200
        assert client.get("/openapi.json").status_code == 401
        assert client.get("/openapi.json", headers={"x-api-key": watch}).status_code == 200
        assert 'placeholder="API key"' in client.get("/docs").text
        for open_to_all in ("/docs", "/v2/health/live", "/v2/health/ready", "/ping", "/health"):
            assert client.get(open_to_all).status_code == 200
        with open_log(tmp_path / "log.sqlite") as log:
            assert {record.caller for record in log.recent(9)} == {"shop"}
        keys.revoke("shop")
        wait_until(lambda: client.post("/predict", json=RECORD, headers={"x-api-key": shop}).status_code == 401)


@pytest.mark.parametrize("content", [None, "", "{}", '{"keys": []}', '{"keys": [{"name": "shop"}]}', "\udcff"])
def test_without_its_keys_a_service_is_not_ready(small_package: Path, tmp_path: Path, content: str | None) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    shop = keys.add("shop", ["predict"])
    good = keys.path.read_bytes()

    def predict() -> httpx.Response:
        return client.post("/predict", json=RECORD, headers={"x-api-key": shop})

    with running(service(small_package, tmp_path, access=Access("keys", keys), auth="keys")) as client:
        assert predict().status_code == 200
        if content is None:
            keys.path.unlink()
        else:
            keys.path.write_bytes(content.encode(errors="surrogateescape"))
        wait_until(lambda: predict().status_code == 503)
        assert {predict().json()["error"]["code"] for _ in range(50)} == {"not_ready"}
        wait_until(lambda: client.get("/v2/health/ready").status_code == 503)
        assert client.get("/v2/health/live").status_code == 200
        keys.path.write_bytes(good)
        wait_until(lambda: predict().status_code == 200)
        wait_until(lambda: client.get("/v2/health/ready").status_code == 200)


def test_only_a_declared_proxy_authenticates_callers(small_package: Path, tmp_path: Path) -> None:
    trusting = open_access(ServingSection(auth="proxy", proxies=["127.0.0.0/8"]), state=tmp_path)
    with running(service(small_package, tmp_path, access=trusting)) as client:
        assert client.post("/predict", json=RECORD, headers={"x-forwarded-user": "ann"}).status_code == 200
        assert (
            client.post("/predict", json=RECORD, headers={"x-forwarded-for": "10.1.1.1, 10.2.2.2"}).status_code == 200
        )
    with open_log(tmp_path / "log.sqlite") as log:
        assert [record.caller for record in log.recent(9)] == ["10.2.2.2", "ann"]
    other = open_access(ServingSection(auth="proxy", proxies=["10.0.0.5"]), state=tmp_path)
    with running(service(small_package, tmp_path, access=other)) as client:
        rejected = client.post("/predict", json=RECORD)
        assert rejected.status_code == 403
        assert "The address '127.0.0.1' is not a trusted proxy" in rejected.json()["error"]["message"]
        assert client.get("/v2/health/ready").status_code == 200


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"auth": "keys"}, "has no keys. Create one: `nbship keys add"),
        ({"auth": "proxy"}, "'serving.proxies' is empty"),
        ({"auth": "proxy", "proxies": ["ten"]}, "'serving.proxies' is not valid"),
    ],
)
def test_contradictory_settings_are_rejected(tmp_path: Path, settings: dict, message: str) -> None:
    with pytest.raises(ServingError, match=message):
        open_access(ServingSection(**settings), state=tmp_path)
    (tmp_path / "keys.json").write_text("{")
    with pytest.raises(ServingError, match="cannot be read"):
        open_access(ServingSection(auth="keys"), state=tmp_path)


def test_rows_bytes_and_requests_are_bounded(small_package: Path, tmp_path: Path) -> None:
    with running(service(small_package, tmp_path, max_rows=3, max_bytes=2000)) as client:
        assert client.post("/predict", json=[RECORD] * 3).status_code == 200
        for path, body in (("/predict", [RECORD] * 4), ("/invocations", {"dataframe_records": [RECORD] * 4})):
            answer = client.post(path, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
        assert client.post("/predict", content=b" " * 2001).status_code == 413
    with running(service(small_package, tmp_path, queue=0)) as client:
        answer = client.post("/predict", json=RECORD)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert answer.json()["error"]["code"] == "busy"
        assert client.get("/v2/health/live").status_code == 200


def test_slow_or_endless_requests_are_disconnected(small_package: Path, tmp_path: Path) -> None:
    with serving(small_package, tmp_path) as (url, _):
        host, port = url.removeprefix("http://").split(":")

        def ask(*parts: bytes) -> bytes:
            with socket.create_connection((host, int(port)), timeout=PATIENCE) as line:
                for part in parts:
                    try:
                        line.sendall(part)
                    except OSError:
                        break
                answer = b""
                try:
                    while more := line.recv(65_536):
                        answer += more
                except ConnectionResetError:
                    pass
                return answer

        endless = ask(b"GET / HTTP/1.1\r\n", *[b"x-many: " + b"y" * 1000 + b"\r\n"] * 100)
        assert b" 431 " in endless
        assert json.loads(endless.partition(b"\r\n\r\n")[2])["error"]["code"] == "headers_too_large"
        wrong = ask(b"nonsense\r\n\r\n")
        assert b" 400 " in wrong
        assert json.loads(wrong.partition(b"\r\n\r\n")[2])["error"]["code"] == "invalid_http"
        os.environ["NBSHIP_SERVING__RECEIVE_SECONDS"] = "1"
    try:
        with serving(small_package, tmp_path) as (url, _):
            port = url.rpartition(":")[2]
            late = ask(b"POST /predict HTTP/1.1\r\nhost: x\r\n")
            assert b" 408 " in late
            body = ask(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
            assert b" 408 " in body
            assert httpx.post(f"{url}/predict", json=RECORD).status_code == 200
    finally:
        del os.environ["NBSHIP_SERVING__RECEIVE_SECONDS"]


def test_metrics_count_requests_and_rows(small_package: Path, tmp_path: Path) -> None:
    with running(service(small_package, tmp_path)) as client:
        for body in ([RECORD] * 5, RECORD, {**RECORD, "size": "big"}):
            client.post("/predict", json=body)
        client.get("/nowhere")
        text = client.get("/metrics").text
    assert 'nbship_requests_total{route="predict",status="200"} 2.0' in text
    assert 'nbship_requests_total{route="predict",status="422"} 1.0' in text
    assert 'nbship_requests_total{route="unknown",status="404"} 1.0' in text
    assert "nbship_request_rows_sum 7.0" in text
    assert 'nbship_request_seconds_count{route="predict"} 3.0' in text
    assert 'nbship_model_info{model="small"' in text
    assert float(re.search(r"^nbship_resident_memory_bytes (\S+)", text, re.MULTILINE)[1]) > 1e7
    check_metrics(text)


def check_metrics(text: str) -> None:
    """Check metrics with Prometheus' own tool."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool (Debian: prometheus) is not installed")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_metrics_are_summed_over_workers_and_survive_a_dead_one(small_package: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        probes = free.getsockname()[1]
    with serving(small_package, tmp_path, "--workers", "2", "--probes-port", str(probes)) as (url, server):

        def count() -> float:
            text = httpx.get(f"http://127.0.0.1:{probes}/metrics").text
            check_metrics(text)
            found = re.search(r'requests_total\{route="predict",status="200"\} (\S+)', text)
            return float(found[1]) if found else 0.0

        def working() -> set[str]:
            children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text(encoding="utf-8").split()
            return {pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}

        assert all(httpx.post(f"{url}/predict", json=RECORD).status_code == 200 for _ in range(40))
        wait_until(lambda: count() == 40)
        workers = working()
        assert len(workers) == 2
        os.kill(int(min(workers)), signal.SIGKILL)
        wait_until(lambda: len(working() - workers) == 1)
        assert all(httpx.post(f"{url}/predict", json=RECORD).status_code == 200 for _ in range(10))
        wait_until(lambda: count() == 50)
        # Probes and metrics are served on their own port only.
        assert httpx.get(f"{url}/metrics").status_code == 404
        assert httpx.get(f"{url}/v2/health/ready").status_code == 404
        assert httpx.post(f"http://127.0.0.1:{probes}/predict", json=RECORD).status_code == 404
        assert httpx.get(f"http://127.0.0.1:{probes}/v2/health/ready").status_code == 200
    assert server.returncode == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_closed_terminal_stops_a_service_unless_under_nohup(
    small_package: Path, tmp_path: Path, workers: str
) -> None:
    # The tests may run under nohup themselves.
    terminal = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)"
    with serving(small_package, tmp_path, "--workers", workers, script=terminal) as (url, server):
        assert httpx.post(f"{url}/predict", json=RECORD).status_code == 200
        server.send_signal(signal.SIGHUP)
        assert server.wait(PATIENCE) == 0
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    with serving(small_package, tmp_path, "--workers", workers, script=ignoring) as (url, server):
        server.send_signal(signal.SIGHUP)
        for _ in range(20):
            assert httpx.post(f"{url}/predict", json=RECORD).status_code == 200
        server.terminate()
        assert server.wait(PATIENCE) == 0


def test_a_service_drains_before_it_stops(small_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBSHIP_SERVING__DRAIN_SECONDS", "600")
    with serving(small_package, tmp_path) as (url, server):
        assert httpx.get(f"{url}/v2/health/ready").status_code == 200
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: httpx.get(f"{url}/v2/health/ready").status_code == 503)
        assert httpx.post(f"{url}/predict", json=RECORD).status_code == 200
        # Who asks twice does not want to wait.
        server.send_signal(signal.SIGTERM)
        assert server.wait(PATIENCE) == 0
    monkeypatch.setenv("NBSHIP_SERVING__DRAIN_SECONDS", "0.2")
    with serving(small_package, tmp_path) as (url, server):
        server.send_signal(signal.SIGTERM)
        assert server.wait(PATIENCE) == 0


@pytest.mark.parametrize("given", ["/models/small", "models/small/"])
def test_serving_below_a_path_prefix(small_package: Path, tmp_path: Path, given: str) -> None:
    with serving(small_package, tmp_path, "--root-path", given) as (url, _):
        # A proxy may strip the prefix or not.
        for prefix in ("", "/models/small"):
            assert httpx.get(f"{url}{prefix}/v2/health/ready").status_code == 200
            assert httpx.post(f"{url}{prefix}/predict", json=RECORD).status_code == 200
            for root in (f"{url}{prefix}", f"{url}{prefix}/"):
                assert httpx.get(root).headers["location"] == "/models/small/docs"
        assert httpx.get(f"{url}/models/small", follow_redirects=True).status_code == 200
        assert httpx.get(f"{url}/models/smaller/predict").status_code == 404
        document = httpx.get(f"{url}/openapi.json").json()
        assert document["servers"] == [{"url": "/models/small"}]


def test_idle_connections_outlive_those_of_load_balancers() -> None:
    # A load balancer or client reuses connections for up to a minute; one that the service closes meanwhile loses a request.
    assert config_of(None).timeout_keep_alive > 60
    assert config_of(None, ServingSection(keep_alive_seconds=5)).timeout_keep_alive == 5


def test_an_idle_connection_is_closed(small_package: Path, tmp_path: Path) -> None:
    head = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serving(small_package, tmp_path, environ={"NBSHIP_SERVING__KEEP_ALIVE_SECONDS": "1"}) as (url, _):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as idle, idle.makefile("rb") as answers:
            idle.sendall(head * 2)
            assert answers.read().count(b"200 OK") == 2


def test_malformed_requests_are_counted_once(small_package: Path, tmp_path: Path) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    malformed = (
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        head + b"zz\r\n",
        head + b"1\r\n{\r\nzz\r\n",
        head + b"0\r\nno\r\n\r\n",
    )
    with serving(small_package, tmp_path) as (url, _):
        host, port = url.removeprefix("http://").split(":")
        for data in malformed:
            with socket.create_connection((host, int(port)), timeout=PATIENCE) as line:
                line.sendall(data)
                assert line.recv(1000).startswith(b"HTTP/1.1 400 ")
        found = re.findall(r'nbship_requests_total\{route="(.*)",status="400"\} (.*)', httpx.get(f"{url}/metrics").text)
    assert sum(float(count) for _, count in found) == len(malformed)
    assert ("malformed", "2.0") in found
