"""Random requests cause no server error, no slow response and no memory growth; errors name the field, outputs are right."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from rest_server import RECORD, resident_memory
from servers import serving
from waiting import PATIENCE

from nbship import predictor

pytestmark = pytest.mark.timeout(3600)
JSON = {"content-type": "application/json"}
TOKENS = [
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", '"\\ud800"', '"\\udc00\\ud800"', "true", "false", "null", '"1_000"', '"1e3"',
    "9" * 5000, "-" + "9" * 400, "0.1e-400", "1.0", "3.0", "-0", "[]", "{}", '""', '"\\u0000"', '"\x7f"', "[" * 100_000, '{"a":' * 1000,
    '"' + "x" * 10_000 + '"', '"2024-02-30T00:00:00Z"', '"9999-12-31T23:59:59-12:00"', '"0001-01-01T00:00:00+14:00"', "1" + "0" * 22,
    "9007199254740993", '{"size": 3}', "[3]", '"a "', '"A"', "01", "+1", ".5", "0x1", "'a'", '"\\x41"', "undefined", "/*", '"\t"', '"\x00"',
]  # fmt: skip
PATHS = ["/predict", "/feedback", "/invocations", "/v2/models/small/infer"]
KINDS = [
    None,
    "application/json",
    "application/json; charset=utf-16",
    "text/plain",
    "text/csv",
    "application/xml",
    "multipart/form-data",
]


def bodies(seed: int) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Yield requests: path, body and headers."""
    rng = random.Random(seed)
    plain = {name: json.dumps(value) for name, value in RECORD.items()}
    while True:
        fields = dict(plain)
        for _ in range(rng.choice([0, 0, 1, 1, 2])):
            fields[rng.choice([*fields, "other", "", "\\u0000"])] = rng.choice(TOKENS)
        pairs = [f'"{name}":{value}' for name, value in fields.items()]
        if rng.random() < 0.1:
            pairs.append(rng.choice(pairs))
        if rng.random() < 0.1:
            pairs.pop(rng.randrange(len(pairs)))
        rng.shuffle(pairs)
        text = "{" + ",".join(pairs) + "}"
        path = rng.choice(PATHS)
        if path == "/invocations":
            text = '{{"{}":{}}}'.format(
                rng.choice(["dataframe_records", "inputs", "instances", "dataframe_split"]),
                f"[{text}]",
            )
        elif path.startswith("/v2"):
            value = rng.choice([*TOKENS, "3"])
            text = '{{"inputs":[{{"name":"size","datatype":{},"shape":{},"data":[{}]}}]}}'.format(
                rng.choice(['"INT64"', '"FP64"', '"BYTES"', "[]", "1"]), rng.choice(["[1]", "[1,1]", "[-1]", "[]", "null", "[9999999999999]"]), value,
            )  # fmt: skip
        elif path == "/feedback":
            text = '{{"id":{},"label":{}}}'.format(rng.choice([*TOKENS, '"x"']), rng.choice([*TOKENS, "1"]))
        elif rng.random() < 0.3:
            text = "[" + ",".join([text] * rng.choice([0, 1, 2, 50])) + "]"
        body = text.encode("utf-8", "surrogatepass")
        if rng.random() < 0.1 and body:
            index = rng.randrange(len(body))
            body = body[:index] + bytes([rng.randrange(256)]) + body[index + 1 :]
        if rng.random() < 0.05:
            body = body[: rng.randrange(len(body) + 1)]
        kind = "application/json" if rng.random() < 0.9 else rng.choice(KINDS)
        yield path, body, {} if kind is None else {"content-type": kind}


def processor_seconds(pid: int) -> float:
    """Return the CPU time of a process, which does not depend on other processes."""
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)


def attack(client: httpx.Client, package: Path, *, server: int, count: int, seed: int) -> list[str]:
    """Send `count` requests to a server; return the problems of the responses."""
    loaded, wrong = predictor.load(package), []
    for (path, body, headers), _ in zip(bodies(seed), range(count), strict=False):
        before = processor_seconds(server)
        response = client.post(path, content=body, headers=headers)
        if processor_seconds(server) - before > 2:
            wrong.append(f"{path} took long: {body[:80]!r}")
        wrong += [
            f"{problem}: {path} {body[:200]!r} -> {response.status_code} {response.text[:200]}"
            for problem in problems(response, path, body, loaded)
        ]
        if len(wrong) > 5:
            break
    return wrong


def problems(response: httpx.Response, path: str, body: bytes, loaded: Any) -> Iterator[str]:
    if response.status_code >= 500:
        yield "a server error"
    elif response.status_code >= 400:
        try:
            error = response.json()["error"]
        except (ValueError, KeyError, TypeError):
            yield "an error of the wrong shape"
            return
        if set(error) != {"code", "message", "fields"} or not error["message"]:
            yield "an error without a message"
        if response.status_code == 422 and not error["fields"] and "empty" not in error["message"]:
            yield "no field is named"
    elif path == "/predict":
        content = json.loads(body)
        rows = content if isinstance(content, list) else [content]
        outputs = response.json() if isinstance(content, list) else [response.json()]
        if [each["probability"] for each in outputs] != loaded.predict(rows).probability.tolist():
            yield "outputs that differ from those of the package"


def test_random_requests_do_not_break_the_service(small_package: Path, tmp_path: Path, full: bool) -> None:
    with serving(small_package, tmp_path) as (url, server), httpx.Client(base_url=url, timeout=PATIENCE) as client:
        assert attack(client, small_package, server=server.pid, count=500, seed=0) == []
        before = resident_memory(server.pid)
        assert attack(client, small_package, server=server.pid, count=100_000 if full else 1500, seed=1) == []
        assert resident_memory(server.pid) - before < 50e6
        assert client.post("/predict", json=RECORD).status_code == 200


@pytest.mark.long
@pytest.mark.parametrize(
    "broken",
    [
        "import json; from nbship.serving.protocols import native; native.parse_json = json.loads",
        "from nbship.model.signature.outputs import OutputReader; real = OutputReader.read_row\n"
        "def rounded(self, scores):\n    return {k: v if isinstance(v, int) else round(v, 6) for k, v in real(self, scores).items()}\n"
        "OutputReader.read_row = rounded",
    ],
    ids=["lenient JSON", "rounded responses"],
)
def test_a_broken_service_would_be_caught(small_package: Path, tmp_path: Path, broken: str) -> None:
    with (
        serving(small_package, tmp_path, script=broken) as (url, server),
        httpx.Client(base_url=url, timeout=PATIENCE) as client,
    ):
        assert attack(client, small_package, server=server.pid, count=1500, seed=1)
