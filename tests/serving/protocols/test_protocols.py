"""The same predictions through every protocol, requested with widely used clients."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
import tritonclient.http as triton

from nbship import predictor
from nbship.prediction_log import SqlLog

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def rows(small_rows: pd.DataFrame) -> list[dict]:
    kept = small_rows.head(20).drop(columns=["limit", "grade"])
    return json.loads(kept.to_json(orient="records", date_format="iso"))


@pytest.fixture
def expected(small_package: Path, rows: list[dict]) -> list[float]:
    return predictor.load(small_package).predict(rows).probability.tolist()


def error_of(response: httpx.Response) -> dict:
    assert response.headers["content-type"] == "application/json"
    return response.json()["error"]


def tensors(rows: list[dict]) -> list[dict]:
    kinds = {"size": "INT64", "weight": "FP64"}
    return [
        {"name": name, "shape": [len(rows)], "datatype": kinds.get(name, "BYTES"), "data": [row[name] for row in rows]}
        for name in rows[0]
    ]


@pytest.mark.parametrize("binary", [True, False])
def test_triton_client(
    client: httpx.Client, log: SqlLog, rows: list[dict], expected: list[float], binary: bool
) -> None:
    about = client.get("/version").json()
    server = triton.InferenceServerClient(client.base_url.netloc.decode())
    assert server.is_server_live()
    assert server.is_server_ready()
    assert server.is_model_ready(about["model"])
    assert server.is_model_ready(about["model"], about["version"])
    assert server.get_server_metadata()["name"] == "nbship"
    described = server.get_model_metadata(about["model"])
    assert [tensor["name"] for tensor in described["outputs"]] == ["label", "probability", "prediction_id"]
    inputs = []
    for each in tensors(rows):
        values = [np.nan if value is None else value for value in each["data"]]
        kind = {"INT64": np.int64, "FP64": np.float64, "BYTES": object}[each["datatype"]]
        if each["datatype"] == "FP64" and not binary:
            values = [10.0 if value != value else value for value in values]
        given = triton.InferInput(each["name"], [len(rows), 1], each["datatype"])
        given.set_data_from_numpy(np.array(values, dtype=kind).reshape(-1, 1), binary_data=binary)
        inputs.append(given)
    outputs = (
        None
        if binary
        else [
            triton.InferRequestedOutput("probability", binary_data=False),
            triton.InferRequestedOutput("prediction_id", binary_data=False),
        ]
    )
    answer = server.infer(about["model"], inputs, model_version=about["version"], outputs=outputs, request_id="mine")
    server.close()
    assert answer.get_response()["id"] == "mine"
    assert answer.get_response()["model_version"] == about["version"]
    whole = [place for place, row in enumerate(rows) if binary or row["weight"] is not None]
    np.testing.assert_array_equal(answer.as_numpy("probability")[whole], np.array(expected)[whole])
    ids = [str(id.decode() if isinstance(id, bytes) else id) for id in answer.as_numpy("prediction_id")]
    assert [json.loads(log.find(id).outputs)["probability"] for id in ids] == answer.as_numpy("probability").tolist()
    if binary:
        assert answer.as_numpy("label").tolist() == [int(value >= 0.5) for value in expected]


def test_tensors_as_json(client: httpx.Client, rows: list[dict], expected: list[float]) -> None:
    answer = client.post("/v2/models/small/infer", json={"inputs": tensors(rows), "outputs": [{"name": "probability"}]})
    assert answer.status_code == 200
    (output,) = answer.json()["outputs"]
    assert output == {"name": "probability", "datatype": "FP64", "shape": [20], "data": expected}
    assert answer.headers["x-model-version"] == answer.json()["model_version"]


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"inputs": []}, "inputs", "not a list with one tensor"),
        ({"inputs": [1]}, "inputs", "without a name"),
        ({"inputs": "x"}, "inputs", "not a list"),
        ({"outputs": [{"name": "colour"}]}, "outputs", "unknown output 'colour'"),
        ({"outputs": 3}, "outputs", "not a list of objects"),
        ({"size": {"shape": [2]}}, "size", "its shape has 2 rows"),
        ({"size": {"shape": [1, 2], "data": [1, 2]}}, "size", "one value a row"),
        ({"size": {"shape": "x"}}, "size", "one value a row"),
        ({"size": {"shape": [2], "data": [1, 2]}}, "inputs", "different lengths"),
        ({"size": {"datatype": "INT128"}}, "size", "unknown datatype 'INT128'"),
        ({"size": {"datatype": {}}}, "size", "unknown datatype '{}'"),
        ({"parameters": []}, "parameters", "not an object"),
        ({"id": 1}, "id", "not a string"),
        ({"size": {"data": None}}, "size", "has 0 values"),
        ({"size": {"data": ["big"]}}, "size", "not an integer"),
        ({"size": {"name": "siez"}}, "siez", "did you mean 'size'"),
        ({"size": {"parameters": {"binary_data_size": 8}}}, "size", "binary_data_size 8, but 0 bytes remain"),
    ],
)  # fmt: skip
def test_invalid_tensors_are_named(
    client: httpx.Client, rows: list[dict], change: dict, field: str, reason: str
) -> None:
    request = {"inputs": tensors(rows[:1])}
    if "size" in change:
        next(each for each in request["inputs"] if each["name"] == "size").update(change["size"])
    else:
        request |= change
    answer = client.post("/v2/models/small/infer", json=request)
    assert answer.status_code == 422, answer.text
    found = [each for each in error_of(answer)["fields"] if each["field"] == field]
    assert found, answer.text
    assert any(reason in each["reason"] for each in found), answer.text


def test_invalid_tensor_bytes_are_named(client: httpx.Client, rows: list[dict]) -> None:
    def ask(tail: bytes, size: int, length: int | str | None = None) -> httpx.Response:
        given = tensors(rows[:1])
        line = next(each for each in given if each["name"] == "line")
        del line["data"]
        line["parameters"] = {"binary_data_size": size}
        head = json.dumps({"inputs": given}).encode()
        told = str(len(head) if length is None else length)
        return client.post(
            "/v2/models/small/infer", content=head + tail, headers={"inference-header-content-length": told}
        )

    assert ask(struct.pack("<I", 1) + b"a", 5).status_code == 200
    for tail, size in ((b"\1\0\0\0\xff", 5), (b"\1\0", 2), (b"\x09\0\0\0a", 5), (b"", 5), (b"\1\0\0\0ab", 5)):
        answer = ask(tail, size)
        assert (answer.status_code, error_of(answer)["code"]) == (422, "invalid_input"), answer.text
    for length in ("x", 10**9, -1, 0, "9" * 5000):
        assert ask(b"", 0, length).status_code == 422
    assert ask(b"", 0, 3).status_code == 400


def forms(rows: list[dict]) -> dict[str, dict]:
    names = list(rows[0])
    whole = [{**row, "limit": 5.0, "grade": 1.0} for row in rows]
    return {
        "dataframe_split": {"columns": names, "data": [list(row.values()) for row in rows]},
        "dataframe_records": rows,
        "instances": [list(row.values()) for row in whole],
        "inputs": {name: [row[name] for row in rows] for name in names},
    }


@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "instances", "inputs"])
def test_invocations_in_each_form(
    client: httpx.Client, log: SqlLog, rows: list[dict], expected: list[float], form: str
) -> None:
    answer = client.post("/invocations", json={form: forms(rows)[form], "params": {}})
    assert answer.status_code == 200, answer.text
    told = answer.json()["predictions"]
    assert list(told[0]) == ["prediction_id", "model", "version", "label", "probability"]
    if form != "instances":
        assert [each["probability"] for each in told] == expected
    assert log.known(each["prediction_id"] for each in told) == {each["prediction_id"] for each in told}


def test_invocations_as_csv(client: httpx.Client, log: SqlLog, rows: list[dict], expected: list[float]) -> None:
    text = pd.DataFrame(rows).to_csv(index=False)
    answer = client.post("/invocations", content=text, headers={"content-type": "text/csv"})
    assert [each["probability"] for each in answer.json()["predictions"]] == expected
    record = log.find(answer.json()["predictions"][0]["prediction_id"])
    assert json.loads(record.inputs)["at"] == rows[0]["at"]
    wrong = client.post(
        "/invocations", content="line,size,at,weight\na,big,soon,1\n", headers={"content-type": "text/csv"}
    )
    assert wrong.status_code == 422
    assert error_of(wrong)["message"] == "1 value cannot be read. See 'fields' for each."
    assert [(each["row"], each["field"]) for each in error_of(wrong)["fields"]] == [(0, "size")]
    for body in (b"", b'"a\n', b"a,b\n1\n", b"\xff"):
        answer = client.post("/invocations", content=body, headers={"content-type": "text/csv"})
        assert answer.status_code in (400, 422), body
        assert error_of(answer)["message"]


def test_blank_lines_above_a_csv_header_are_passed_over(
    client: httpx.Client, rows: list[dict], expected: list[float]
) -> None:
    text = pd.DataFrame(rows).to_csv(index=False)
    for above in ("\n", "\r\n \r\n", ",,,\n"):
        answer = client.post("/invocations", content=above + text, headers={"content-type": "text/csv"})
        assert [each["probability"] for each in answer.json()["predictions"]] == expected
    other = client.post("/invocations", content="line;size\na;1\n", headers={"content-type": "text/csv"})
    assert "separated by ';'. Separate them by commas." in other.text


@pytest.mark.parametrize(
    "body",
    [
        {}, [], {"dataframe_split": 1}, {"dataframe_split": {"columns": ["a", "a"], "data": []}},
        {"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, {"dataframe_records": {}}, {"dataframe_records": []},
        {"instances": 1}, {"instances": [[1]]}, {"inputs": {"a": 1}}, {"inputs": {"a": [1], "b": []}}, {"inputs": {}},
        {"instances": [], "inputs": []}, {"dataframe_records": [{}], "params": {"x": 1}}, {"dataframe_records": [{}], "extra": 1},
    ],
)  # fmt: skip
def test_invalid_invocations_are_rejected(client: httpx.Client, body: object) -> None:
    answer = client.post("/invocations", json=body)
    assert answer.status_code == 422, answer.text
    assert error_of(answer)["code"] == "invalid_input"


def test_request_and_trace_ids_are_returned_and_logged(client: httpx.Client, log: SqlLog, rows: list[dict]) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    answer = client.post(
        "/predict", json=rows[0], headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01", "x-request-id": "order-7"}
    )
    assert answer.headers["x-request-id"] == "order-7"
    assert answer.headers["traceparent"].startswith(f"00-{trace}-")
    assert log.find(answer.json()["id"]).trace == trace
    for header in ("", "00-0-0-00", f"00-{'0' * 32}-b7ad6b7169203331-01", "x" * 500):
        other = client.post("/predict", json=rows[0], headers={"traceparent": header, "x-request-id": "a b"})
        made = other.headers["traceparent"].split("-")[1]
        assert len(made) == 32
        assert made not in (trace, "0" * 32)
        assert other.headers["x-request-id"] == made


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("names", ["required", "all"])
def test_one_tensor_with_a_row_of_all_fields(
    client: httpx.Client, small_package: Path, rows: list[dict], expected: list[float], names: str, *, binary: bool
) -> None:
    signature = predictor.load(small_package).signature
    fields = [field.name for field in signature.inputs if names == "all" or not field.optional]
    values = [[row.get(name) for name in fields] for row in rows]
    if names == "all":
        # A null is a value: nothing is looked up then.
        given = [dict(zip(fields, row, strict=True)) for row in values]
        expected = predictor.load(small_package).predict(given).probability.tolist()
    tensor = {"name": "rows", "shape": [len(rows), len(fields)], "datatype": "BYTES", "data": values}
    if binary:
        # Bytes hold values of one type, here strings: the fields that are numbers are named.
        texts = [str(value).encode() for row in values for value in row]
        content = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        tensor = {
            **{key: tensor[key] for key in ("name", "shape", "datatype")},
            "parameters": {"binary_data_size": len(content)},
        }
        head = json.dumps({"inputs": [tensor]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))}
        response = client.post("/v2/models/small/infer", content=head + content, headers=headers)
        assert response.status_code == 422
        assert {failure["field"] for failure in response.json()["error"]["fields"]} >= {"size", "weight"}
        return
    response = client.post("/v2/models/small/infer", json={"inputs": [tensor]})
    outputs = {output["name"]: output["data"] for output in response.json()["outputs"]}
    assert outputs["probability"] == expected
    tensor["shape"] = [len(rows), len(fields) + 1]
    error = error_of(client.post("/v2/models/small/infer", json={"inputs": [tensor]}))
    assert f"has {len(fields) + 1} values a row. Send 4: at, line, size, weight" in error["message"]


@pytest.mark.parametrize(
    ("where", "known"), [("request", "binary_data_output"), ("tensor", "binary_data_size"), ("output", "binary_data")]
)
def test_parameters_that_are_not_supported_are_named(
    client: httpx.Client, rows: list[dict], where: str, known: str
) -> None:
    content: dict = {"inputs": tensors(rows), "outputs": [{"name": "probability"}]}
    target = {"request": content, "tensor": content["inputs"][0], "output": content["outputs"][0]}[where]
    target["parameters"] = {"content_type": "pd"}
    error = error_of(client.post("/v2/models/small/infer", json=content))
    assert error["message"] == f"'parameters' has 'content_type', which is not supported. Use {known}."


BOM = b"\xef\xbb\xbf"
JSON = {"content-type": "application/json"}


def test_bodies_as_other_programs_send_them(client: httpx.Client, rows: list[dict], expected: list[float]) -> None:
    """A byte order mark, gzip and a slash at the end of the path change nothing."""
    bodies = {
        "/predict": rows,
        "/v2/models/small/infer": {"inputs": tensors(rows)},
        "/invocations": {"dataframe_records": rows},
    }
    for path, body in bodies.items():
        plain = json.dumps(body).encode()
        wanted = client.post(path, content=plain, headers=JSON)
        for content, headers in (
            (BOM + plain, {}), (gzip.compress(plain), {"content-encoding": "gzip"}),
            (gzip.compress(BOM + plain), {"content-encoding": "GZIP"}), (plain, {"content-encoding": "identity"}),
        ):  # fmt: skip
            response = client.post(f"{path}/", content=content, headers={**JSON, **headers})
            assert response.status_code == 200, response.text
            assert _probabilities(response) == _probabilities(wanted) == expected


def _probabilities(response: httpx.Response) -> list[float]:
    content = response.json()
    if isinstance(content, dict) and "outputs" in content:
        return next(output["data"] for output in content["outputs"] if output["name"] == "probability")
    return [row["probability"] for row in (content["predictions"] if isinstance(content, dict) else content)]


def test_large_responses_are_compressed_for_clients_that_accept_it(client: httpx.Client, rows: list[dict]) -> None:
    many = rows * 50
    for accepted, compressed in (("gzip", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("identity", False)):
        response = client.post("/predict", json=many, headers={"accept-encoding": accepted})
        assert len(response.json()) == len(many)
        assert (response.headers.get("content-encoding") == "gzip") is compressed
        assert (
            "content-encoding"
            not in client.post("/predict", json=rows[0], headers={"accept-encoding": accepted}).headers
        )


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (gzip.compress(b" " * 30_000_000), "too_large"), (b"no gzip", "invalid_encoding"), (gzip.compress(b"[]")[:-4], "invalid_encoding"),
        (gzip.compress(b"[]") + b"more", "invalid_encoding"), (b"", "invalid_encoding"),
    ],
    ids=["bomb", "text", "cut off", "followed", "empty"],
)  # fmt: skip
def test_damaged_and_exploding_bodies_are_rejected(client: httpx.Client, content: bytes, code: str) -> None:
    response = client.post("/predict", content=content, headers={**JSON, "content-encoding": "gzip"})
    assert error_of(response)["code"] == code
