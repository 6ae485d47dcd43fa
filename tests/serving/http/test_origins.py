"""Pages of other origins and rebound host names do not reach the service; those of `serving.cors` do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from servers import running

from nbship import predictor
from nbship.inference import Logged
from nbship.prediction_log import open_log
from nbship.project import ServingSection
from nbship.serving import Access, Service
from nbship.serving.routes import ROUTES

RECORD = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}


@contextmanager
def served(package: Path, log: Path, **settings: object) -> Iterator[httpx.Client]:
    loaded = predictor.load(package)
    service = Service(
        lambda: Logged(loaded, open_log(log), mode="rest"), settings=ServingSection(**settings), access=Access()
    )
    with running(service) as client:
        yield client


def logged(path: Path) -> int:
    with open_log(path) as log:
        return len(log.recent(100)) + len(log.labels())


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True), ({"origin": "{own}"}, True), ({"origin": "https://shop.example"}, False), ({"origin": "null"}, False),
        ({"sec-fetch-site": "cross-site"}, False), ({"sec-fetch-site": "same-site"}, False), ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "https://behind.example"}, True),
        ({"host": "localhost:8000"}, True), ({"host": "model"}, True), ({"host": "[::1]:8000"}, True), ({"host": "10.0.0.7"}, True),
        ({"host": "model.shop.svc.cluster.local"}, True), ({"host": "rebound.example"}, False), ({"host": "127.0.0.1.example:80"}, False),
    ],
)  # fmt: skip
def test_every_route_checks_origin_and_host(
    small_package: Path, tmp_path: Path, headers: dict[str, str], allowed: bool
) -> None:
    with served(small_package, tmp_path / "log.sqlite") as client:
        own = str(client.base_url)
        name = predictor.load(small_package).name
        for route in ROUTES:
            given = {header: value.format(own=own) for header, value in headers.items()}
            path = route.path.format(name=name, version="0")
            response = client.request(route.method, path, headers=given, follow_redirects=False)
            assert (response.status_code != 403) is allowed, route.path
    assert logged(tmp_path / "log.sqlite") == 0


def test_names_of_the_host_are_a_setting(small_package: Path, tmp_path: Path) -> None:
    with served(small_package, tmp_path / "log.sqlite", hosts=["model.example", ".shop.example"]) as client:
        for name, status in (
            ("model.example", 200),
            ("a.shop.example:8000", 200),
            ("shop.example", 403),
            ("other", 200),
        ):
            assert client.get("/version", headers={"host": name}).status_code == status
        denied = client.get("/metrics", headers={"host": "evil.example"}).json()["error"]
        assert denied["message"].startswith("The host name 'evil.example' is not known here. Add it to 'serving.hosts'")


def test_cors(small_package: Path, tmp_path: Path) -> None:
    origin = {"origin": "https://shop.example"}
    with served(small_package, tmp_path / "log.sqlite", cors=[origin["origin"]]) as client:
        asked = {**origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
        preflight = client.options("/predict", headers=asked)
        assert preflight.headers["access-control-allow-origin"] == origin["origin"]
        assert "content-type" in preflight.headers["access-control-allow-headers"].lower()
        assert "POST" in preflight.headers["access-control-allow-methods"]
        for record in (RECORD, {}):
            response = client.post("/predict", json=record, headers=origin)
            assert response.status_code == (200 if record else 422)
            assert response.headers["access-control-allow-origin"] == origin["origin"]
            assert response.headers["vary"] == "Origin"
        other = client.options("/predict", headers={**asked, "origin": "https://other.example"})
        assert other.status_code == 403
        assert "access-control-allow-origin" not in other.headers


def test_docs_run_only_their_own_script(small_package: Path, tmp_path: Path) -> None:
    with served(small_package, tmp_path / "log.sqlite") as client:
        headers = client.get("/docs").headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
