from __future__ import annotations

import json
from pathlib import Path

import httpx
import jsonschema
import pytest
from servers import running
from waiting import wait_until

from nbship import predictor
from nbship.errors import UnknownPredictionError
from nbship.inference import Logged
from nbship.prediction_log import SqlLog, open_log
from nbship.serving import Service

JSON = {"content-type": "application/json"}


@pytest.fixture
def example(small_package: Path, log: SqlLog) -> dict:
    return Logged(predictor.load(small_package), log).package.example


def wrong(response) -> dict:
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert set(error) == {"code", "message", "fields"}
    assert error["message"]
    for field in error["fields"]:
        assert set(field) == {"row", "field", "reason"}
    return error


def test_a_record_gets_a_prediction_that_is_logged(client: httpx.Client, log: SqlLog, example: dict) -> None:
    response = client.post("/predict", json=example)
    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == ["id", "model", "version", "label", "probability"]
    record = log.find(answer["id"])
    assert json.loads(record.outputs) == {"label": answer["label"], "probability": answer["probability"]}
    assert record.version == answer["version"]
    assert record.digest.startswith(answer["version"])
    assert record.mode == "rest"
    assert record.caller == "127.0.0.1"
    assert record.event_time is not None
    assert record.keys is not None


def test_a_list_gets_a_list_in_order(client: httpx.Client, log: SqlLog, example: dict) -> None:
    rows = [{**example, "size": size} for size in (1, 5, 9, 5)]
    answers = client.post("/predict", json=rows).json()
    alone = [client.post("/predict", json=row).json() for row in rows]
    assert [answer["probability"] for answer in answers] == [answer["probability"] for answer in alone]
    assert len({answer["probability"] for answer in answers}) == 3
    assert [json.loads(log.find(answer["id"]).inputs)["size"] for answer in answers] == [1, 5, 9, 5]


def test_every_invalid_field_of_every_row_is_named(client: httpx.Client, log: SqlLog, example: dict) -> None:
    rows = [example, {**example, "size": "big", "linee": 1}, {key: example[key] for key in example if key != "line"}]
    response = client.post("/predict", json=rows)
    assert response.status_code == 422
    error = wrong(response)
    assert error["code"] == "invalid_input"
    assert {(field["row"], field["field"]) for field in error["fields"]} == {(1, "size"), (1, "linee"), (2, "line")}
    (refused,) = log.recent(10)
    assert refused.outputs is None
    assert "invalid_input" in refused.error


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b'{"size": NaN}', 400, "invalid_json"),
        (b'{"size": 1e400}', 400, "invalid_json"),
        (b'{"size": 1, "size": 1}', 400, "invalid_json"),
        (b'{"line": "\\ud800"}', 400, "invalid_json"),
        (b'{"line": "\xff"}', 400, "invalid_json"),
        (b"[" * 100_000, 400, "invalid_json"),
        (b"[]", 422, "invalid_input"),
        (b"3", 422, "invalid_input"),
        (b"null", 422, "invalid_input"),
        (b'"text"', 422, "invalid_input"),
        (b"[1, {}]", 422, "invalid_input"),
        (b"[[]]", 422, "invalid_input"),
        (b"{}", 422, "invalid_input"),
    ],
)
def test_an_invalid_body_is_rejected(client: httpx.Client, body: bytes, status: int, code: str) -> None:
    for path in ("/predict", "/feedback"):
        response = client.post(path, content=body, headers=JSON)
        assert response.status_code == status
        assert wrong(response)["code"] == code


@pytest.mark.parametrize(
    "value",
    [
        None, True, 1.5, "1", "", [], {}, [1], {"a": 1}, 10**25, -(10**300), 1e308, -1, "\x00", "x" * 10_000,
        "2024-13-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "\N{GRINNING FACE}",
    ],
)  # fmt: skip
def test_no_field_value_is_an_internal_error(client: httpx.Client, example: dict, value: object) -> None:
    for name in example:
        response = client.post("/predict", json={**example, name: value})
        assert response.status_code in (200, 422), (name, value, response.text)
        if response.status_code == 422:
            assert [field["field"] for field in wrong(response)["fields"]] == [name]


def test_the_content_type_must_be_json(client: httpx.Client, example: dict) -> None:
    untyped = client.post("/predict", content=json.dumps(example))
    assert (untyped.status_code, wrong(untyped)["code"]) == (415, "unsupported_media_type")
    form = client.post(
        "/predict", content=json.dumps(example), headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert form.status_code == 415
    assert "curl" in wrong(form)["message"]
    for headers in (
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "br"},
    ):
        assert client.post("/predict", content=json.dumps(example), headers=headers).status_code == 415
    assert client.post(
        "/predict", content=json.dumps(example), headers={"content-type": "application/json; charset=UTF-8"}
    ).is_success


def test_a_large_body_is_rejected_before_it_is_read(client: httpx.Client) -> None:
    assert client.post("/predict", content=b" " * 10_000_001, headers=JSON).status_code == 413
    parts = (b" " * 1_000_000 for _ in range(11))
    response = client.post("/predict", content=parts, headers=JSON)
    assert response.status_code == 413
    assert wrong(response)["code"] == "too_large"


def test_wrong_paths_and_methods(client: httpx.Client) -> None:
    assert wrong(client.get("/nowhere"))["code"] == "not_found"
    response = client.get("/predict")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST, OPTIONS"
    assert wrong(response)["code"] == "method_not_allowed"
    assert client.delete("/docs").status_code == 405
    assert client.get("/v2/models/other").status_code == 404
    assert client.get("/" + "x" * 5000).status_code == 404


def test_health_version_and_metadata(client: httpx.Client) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    for path in ("/v2/health/ready", "/ping", "/health"):
        assert client.get(path).json() == {"ready": True}
    about = client.get("/version").json()
    model = client.get(f"/v2/models/{about['model']}").json()
    assert model["versions"] == [about["version"]]
    assert "size" in [entry["name"] for entry in model["inputs"]]
    assert client.get(f"/v2/models/{about['model']}/ready").json() == {"ready": True}
    assert client.get(f"/v2/models/{about['model']}/versions/{about['version']}").json() == model
    assert client.get(f"/v2/models/{about['model']}/versions/0").status_code == 404
    head = client.head("/docs")
    assert (head.status_code, head.content) == (200, b"")
    assert client.get("/").headers["location"] == "docs"


def test_openapi_and_docs_show_a_real_example(client: httpx.Client, example: dict) -> None:
    document = client.get("/openapi.json").json()
    post = document["paths"]["/predict"]["post"]
    shown = post["requestBody"]["content"]["application/json"]["examples"]["one"]["value"]
    assert shown == example
    answer = client.post("/predict", json=shown).json()
    schemas = document["components"]["schemas"]
    jsonschema.validate(answer, {**schemas["Prediction"], "components": {"schemas": schemas}})
    expected = post["responses"]["200"]["content"]["application/json"]["examples"]["one"]["value"]
    assert expected["probability"] == answer["probability"]
    refused = client.post("/predict", json={}).json()
    jsonschema.validate(refused, {**schemas["Error"], "components": {"schemas": schemas}})
    assert "text/html" in client.get("/docs").headers["content-type"]


def test_feedback_by_id_and_key(client: httpx.Client, log: SqlLog, example: dict) -> None:
    answer = client.post("/predict", json=example).json()
    key = {name: example[name] for name in json.loads(log.find(answer["id"]).keys)}
    elsewhere = {**key, "at": "2031-01-01T00:00:00Z"}
    told = [
        {"id": answer["id"], "label": 1, "time": "2024-05-01T00:00:00Z"},
        {"key": key, "label": 0},
        {"key": elsewhere, "label": 0},
    ]
    assert client.post("/feedback", json=told).json() == {"accepted": 3, "matched": 2}
    assert client.post("/feedback", json=told[0]).json() == {"accepted": 1, "matched": 1}
    assert len(log.labels()) == 4


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"id": "unknown", "label": 1}, "id"),
        ({"id": "b0123456789abcdef-1", "label": 1}, "id"),
        ({"id": 1, "label": 1}, "id"),
        ({"label": 1}, None),
        ({"key": {}, "label": 1}, "key.at"),
        ({"key": 1, "label": 1}, "key"),
        ({"key": {"at": "soon", "line": "a"}, "label": 1}, "key.at"),
        ({"key": {"at": "2024-01-01T00:00:00Z", "line": 1}, "label": 1}, "key.line"),
        ({"key": {"at": "2024-01-01T00:00:00Z", "line": "a", "x": 1}, "label": 1}, "key.x"),
        ({"key": {"at": "2024-01-01T00:00:00Z", "line": "a"}}, "label"),
        ({"key": {"at": "2024-01-01T00:00:00Z", "line": "a"}, "label": 2}, "label"),
        ({"key": {"at": "2024-01-01T00:00:00Z", "line": "a"}, "label": True}, "label"),
        ({"key": {"at": "2024-01-01T00:00:00Z", "line": "a"}, "label": 1, "time": "2024-01-01"}, "time"),
        ({"key": {"at": "2024-01-01T00:00:00Z", "line": "a"}, "label": 1, "extra": 1}, "extra"),
    ],
)
def test_invalid_feedback_names_the_field_and_stores_nothing(
    client: httpx.Client, log: SqlLog, told: dict, field: str | None
) -> None:
    response = client.post("/feedback", json=[told])
    assert response.status_code == 422
    assert field in [one["field"] for one in wrong(response)["fields"]]
    assert log.labels() == []


def test_no_prediction_is_returned_unless_it_is_logged(client: httpx.Client, tmp_path: Path, example: dict) -> None:
    path = tmp_path / "log.sqlite"
    assert client.post("/predict", json=example).is_success
    path.rename(tmp_path / "away.sqlite")
    path.mkdir()
    response = client.post("/predict", json=example)
    assert response.status_code == 503
    assert wrong(response)["code"] == "log_unavailable"
    # The log is checked twice a second.
    wait_until(lambda: client.get("/v2/health/ready").status_code == 503)
    assert client.get("/v2/health/live").status_code == 200
    path.rmdir()
    (tmp_path / "away.sqlite").rename(path)
    wait_until(lambda: client.get("/v2/health/ready").status_code == 200)
    answer = client.post("/predict", json=example).json()
    with open_log(path) as log:
        assert log.find(answer["id"]).outputs
        with pytest.raises(UnknownPredictionError):
            log.find("0")


def test_the_service_is_not_ready_before_start_and_after_stop(small_package: Path, tmp_path: Path) -> None:
    loaded = predictor.load(small_package)
    service = Service(lambda: Logged(loaded, open_log(tmp_path / "log.sqlite")))
    with running(service, lifespan="off") as client:
        for path in ("/v2/health/ready", "/version", "/openapi.json"):
            response = client.get(path)
            assert response.status_code == 503
            assert wrong(response)["code"] == "not_ready"
        assert client.get("/v2/health/live").status_code == 200
