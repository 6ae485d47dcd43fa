"""The table of routes, the OpenAPI document generated from it, and the table of statuses."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import running
from signatures import EXAMPLE, PREDICTION, SIGNATURE

import nbship
from nbship import errors, predictor
from nbship.inference import Logged
from nbship.prediction_log import open_log
from nbship.serving import Service
from nbship.serving.docs.openapi import describe
from nbship.serving.http.statuses import MEANINGS, STATUSES, as_request_error
from nbship.serving.routes import ROUTES, find_route

SOURCE = Path(nbship.__file__).parent
UNDOCUMENTED = {"/", "/docs", "/openapi.json"}


def test_every_route_is_documented_or_listed_as_undocumented() -> None:
    document = describe(SIGNATURE, model="m", version="v", example=EXAMPLE, prediction=PREDICTION, results=True)
    paths = {path: set(operations) for path, operations in document["paths"].items()}
    assert paths == {route.path: {route.method.lower()} for route in ROUTES if route.path not in UNDOCUMENTED}
    operations = [operation["operationId"] for each in document["paths"].values() for operation in each.values()]
    assert len(set(operations)) == len(operations)


def test_every_route_answers(small_package: Path, tmp_path: Path) -> None:
    model = predictor.load(small_package)
    service = Service(lambda: Logged(model, open_log(tmp_path / "log.sqlite"), mode="rest"))
    with running(service) as client:
        for route in ROUTES:
            path = route.path.format(name=model.name, version=model.version)
            response = client.request(route.method, path, follow_redirects=False)
            # A POST without a body, and results where none are served, are errors of the request.
            expected = {"POST": {400, 404, 415}, "GET": {200, 307}}[route.method]
            assert response.status_code in expected, path
            if "{" in route.path:
                other = client.request(route.method, route.path.format(name="other", version="0"))
                assert other.status_code == 404
            wrong = client.request("DELETE", path)
            allowed = "POST, OPTIONS" if route.method == "POST" else "GET, HEAD, OPTIONS"
            assert (wrong.status_code, wrong.headers["allow"]) == (405, allowed)
            options = client.options(f"{path}/" if len(path) > 1 else path)
            assert (options.status_code, options.headers["allow"]) == (200, allowed)


def test_only_whole_paths_match() -> None:
    assert find_route("/v2/models/a/versions/b/ready") is not None
    for path in (
        "/v2/models/a/versions",
        "/v2/models/a/b",
        "/predict//",
        "/v2/models",
        "",
        "/v2/models/a/versions/b/c",
    ):
        assert find_route(path) is None


def _calls() -> list[ast.Call]:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")]
    return [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_every_code_that_is_raised_has_a_status() -> None:
    raised = {
        call.args[0].value
        for call in _calls()
        if _name(call) in ("RequestError", "HTTPError", "reject")
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    assert raised - {"invalid_json"} <= set(STATUSES)
    # Every status that a route may have is explained, and no code is left over.
    assert {STATUSES[code] for route in ROUTES for code in route.errors} <= set(MEANINGS)
    assert set(STATUSES) - raised <= {"invalid_json"}


KINDS = [kind for kind in (getattr(errors, name) for name in errors.__all__) if issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_becomes_one_with_a_status(kind: type[Exception]) -> None:
    make: dict[str, Callable[[], Exception]] = {
        "InvalidInputError": lambda: errors.InvalidInputError([errors.InputFailure(0, "x", "is wrong")]),
        "RequestError": lambda: errors.RequestError("busy", "Busy."),
    }
    reported = as_request_error(make.get(kind.__name__, lambda: kind("A secret path."))())
    assert reported.code in STATUSES
    if not issubclass(kind, errors.RequestError):
        assert "secret" not in str(reported)


def test_only_one_module_knows_http_statuses() -> None:
    # Numbers that are not statuses: golden rows, digits of a number, the length of a YAML key, a number of strings, of blocks.
    allowed = {"serving/http/statuses.py", "model/build/build.py", "tabular/strict_json.py", "project/plain_yaml.py"}
    allowed |= {"prediction_log/windows/record_columns.py", "gate/rounds.py", "metrics/paired.py"}
    # A client, which reads the statuses of others.
    allowed.add("data/sources/downloads.py")
    found = {
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value in set(STATUSES.values())
        if str(path.relative_to(SOURCE)) not in allowed
    }
    assert found == set()
