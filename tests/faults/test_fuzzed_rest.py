"""Whatever is sent: no mistake of the service, no long wait, no growth; what is wrong is named, what is right is right."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from rest_server import RECORD, memory_of
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
    chance = random.Random(seed)
    plain = {name: json.dumps(value) for name, value in RECORD.items()}
    while True:
        fields = dict(plain)
        for _ in range(chance.choice([0, 0, 1, 1, 2])):
            fields[chance.choice([*fields, "other", "", "\\u0000"])] = chance.choice(TOKENS)
        pairs = [f'"{name}":{value}' for name, value in fields.items()]
        if chance.random() < 0.1:
            pairs.append(chance.choice(pairs))
        if chance.random() < 0.1:
            pairs.pop(chance.randrange(len(pairs)))
        chance.shuffle(pairs)
        text = "{" + ",".join(pairs) + "}"
        path = chance.choice(PATHS)
        if path == "/invocations":
            text = '{{"{}":{}}}'.format(
                chance.choice(["dataframe_records", "inputs", "instances", "dataframe_split"]),
                f"[{text}]",
            )
        elif path.startswith("/v2"):
            value = chance.choice([*TOKENS, "3"])
            text = '{{"inputs":[{{"name":"size","datatype":{},"shape":{},"data":[{}]}}]}}'.format(
                chance.choice(['"INT64"', '"FP64"', '"BYTES"', "[]", "1"]), chance.choice(["[1]", "[1,1]", "[-1]", "[]", "null", "[9999999999999]"]), value,
            )  # fmt: skip
        elif path == "/feedback":
            text = '{{"id":{},"label":{}}}'.format(chance.choice([*TOKENS, '"x"']), chance.choice([*TOKENS, "1"]))
        elif chance.random() < 0.3:
            text = "[" + ",".join([text] * chance.choice([0, 1, 2, 50])) + "]"
        body = text.encode("utf-8", "surrogatepass")
        if chance.random() < 0.1 and body:
            place = chance.randrange(len(body))
            body = body[:place] + bytes([chance.randrange(256)]) + body[place + 1 :]
        if chance.random() < 0.05:
            body = body[: chance.randrange(len(body) + 1)]
        kind = "application/json" if chance.random() < 0.9 else chance.choice(KINDS)
        yield path, body, {} if kind is None else {"content-type": kind}


def processor_seconds(pid: int) -> float:
    """Return what a process has used of the processor, whatever else the machine does."""
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)


def attack(client: httpx.Client, package: Path, *, server: int, count: int, seed: int) -> list[str]:
    """Send so many requests to a server's process; return what is wrong with the answers."""
    loaded, wrong = predictor.load(package), []
    for (path, body, headers), _ in zip(bodies(seed), range(count), strict=False):
        before = processor_seconds(server)
        answer = client.post(path, content=body, headers=headers)
        if processor_seconds(server) - before > 2:
            wrong.append(f"{path} took long: {body[:80]!r}")
        wrong += [
            f"{problem}: {path} {body[:200]!r} -> {answer.status_code} {answer.text[:200]}"
            for problem in problems(answer, path, body, loaded)
        ]
        if len(wrong) > 5:
            break
    return wrong


def problems(answer: httpx.Response, path: str, body: bytes, loaded: Any) -> Iterator[str]:
    if answer.status_code >= 500:
        yield "a mistake of the service"
    elif answer.status_code >= 400:
        try:
            error = answer.json()["error"]
        except (ValueError, KeyError, TypeError):
            yield "an error of another shape"
            return
        if set(error) != {"code", "message", "fields"} or not error["message"]:
            yield "an error that does not say what is wrong"
        if answer.status_code == 422 and not error["fields"] and "empty" not in error["message"]:
            yield "no field is named"
    elif path == "/predict":
        content = json.loads(body)
        rows = content if isinstance(content, list) else [content]
        told = answer.json() if isinstance(content, list) else [answer.json()]
        if [each["probability"] for each in told] != loaded.predict(rows).probability.tolist():
            yield "another answer than offline"


def test_nothing_that_is_sent_breaks_the_service(small_package: Path, tmp_path: Path, full: bool) -> None:
    with serving(small_package, tmp_path) as (url, server), httpx.Client(base_url=url, timeout=PATIENCE) as client:
        assert attack(client, small_package, server=server.pid, count=500, seed=0) == []
        before = memory_of(server.pid)
        assert attack(client, small_package, server=server.pid, count=100_000 if full else 1500, seed=1) == []
        assert memory_of(server.pid) - before < 50e6
        assert client.post("/predict", json=RECORD).status_code == 200


@pytest.mark.parametrize(
    "broken",
    [
        "import json; from nbship.serving.protocols import native; native.parse_json = json.loads",
        "from nbship.model.signature.outputs import OutputReader; real = OutputReader.read_row\n"
        "def rounded(self, scores):\n    return {k: v if isinstance(v, int) else round(v, 6) for k, v in real(self, scores).items()}\n"
        "OutputReader.read_row = rounded",
    ],
    ids=["lenient JSON", "rounded answers"],
)
def test_a_service_that_is_broken_is_found_out(small_package: Path, tmp_path: Path, broken: str) -> None:
    with (
        serving(small_package, tmp_path, script=broken) as (url, server),
        httpx.Client(base_url=url, timeout=PATIENCE) as client,
    ):
        assert attack(client, small_package, server=server.pid, count=1500, seed=1)
