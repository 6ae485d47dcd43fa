"""Third-party clients get the outputs of `nbship predict`, and every response is documented."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import tritonclient.http as triton

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".nbship/cache/peers/bin"
BIN = Path(sys.executable).parent
COUNT = 50


@pytest.fixture(scope="module")
def rows(reference: Path) -> pd.DataFrame:
    """Golden rows of the reference project as in files, without the columns that are looked up."""
    signature = json.loads((reference / "models/flights/signature.json").read_text())
    kept = [field["name"] for field in signature["inputs"] if not field.get("optional")]
    frame = pd.read_parquet(reference / "models/flights/golden.parquet")[kept].dropna().head(COUNT)
    times = {name: frame[name].map(lambda time: time.isoformat()) for name in kept if frame[name].dtype.kind == "M"}
    return frame.assign(**times).reset_index(drop=True)


@pytest.fixture(scope="module")
def expected(reference: Path, rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The outputs of `nbship predict`."""
    folder = tmp_path_factory.mktemp("batch")
    rows.to_csv(folder / "in.csv", index=False)
    command = [BIN / "nbship", "predict", "in.csv", "out.csv", "--package", reference / "models/flights"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return pd.read_csv(folder / "out.csv")["probability"].tolist()


@pytest.fixture(scope="module")
def url(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    command = [BIN / "nbship", "serve", reference / "models/flights", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = next(found[0] for line in server.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        reading = threading.Thread(target=server.stdout.read)
        reading.start()
        yield found
        server.terminate()
        server.wait()
        reading.join()


def test_triton_client(url: str, rows: pd.DataFrame, expected: list[float]) -> None:
    client = triton.InferenceServerClient(url.removeprefix("http://"))
    given = []
    for name in rows:
        whole = rows[name].dtype.kind in "iu"
        tensor = triton.InferInput(name, [len(rows)], "INT64" if whole else "BYTES")
        tensor.set_data_from_numpy(rows[name].to_numpy(dtype="int64" if whole else object))
        given.append(tensor)
    answer = client.infer("flights", given)
    client.close()
    assert answer.as_numpy("probability").tolist() == expected


def test_mlflow_client(url: str, rows: pd.DataFrame, expected: list[float], tmp_path: Path) -> None:
    if not (PEERS / "mlflow").exists():
        pytest.skip("`make peers` installs MLflow")
    rows.to_json(tmp_path / "rows.json", orient="records")
    host, port = url.removeprefix("http://").split(":")
    script = (
        "import json, sys, pandas; from mlflow.pyfunc.scoring_server.client import ScoringServerClient;"
        "client = ScoringServerClient(sys.argv[1], int(sys.argv[2])); client.ping();"
        "rows = pandas.DataFrame(json.load(open(sys.argv[3])));"
        "print(json.dumps([row['probability'] for row in json.loads(client.invoke(rows).to_json())['predictions']]))"
    )
    done = subprocess.run(
        [PEERS / "python", "-c", script, host, port, tmp_path / "rows.json"],
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == expected


def test_curl(url: str, rows: pd.DataFrame, expected: list[float]) -> None:
    body = rows.to_json(orient="records")
    command = ["curl", "-s", f"{url}/predict", "-H", "content-type: application/json", "-d", "@-"]
    done = subprocess.run(command, input=body, capture_output=True, text=True, check=True)
    assert [answer["probability"] for answer in json.loads(done.stdout)] == expected


def test_a_client_generated_from_the_openapi(
    url: str, rows: pd.DataFrame, expected: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [BIN / "openapi-python-client", "generate", "--url", f"{url}/openapi.json", "--meta", "none"]
    subprocess.run([*command, "--output-path", tmp_path / "generated"], check=True, capture_output=True)
    monkeypatch.syspath_prepend(tmp_path)
    client = importlib.import_module("generated").Client(base_url=url)
    models = importlib.import_module("generated.models")
    predict = importlib.import_module("generated.api.default.predict")
    records = [models.RecordOfFlights.from_dict(row) for row in rows.to_dict("records")]
    answers = predict.sync(client=client, body=records)
    assert [answer.probability for answer in answers] == expected
    one = predict.sync(client=client, body=records[0])
    assert one.probability == expected[0]
    feedback = importlib.import_module("generated.api.default.feedback")
    told = feedback.sync(client=client, body=models.Feedback(id=one.id, label=True))
    assert (told.accepted, told.matched) == (1, 1)
    wrong = feedback.sync(client=client, body=models.Feedback(id="nothing", label=True))
    assert wrong.error.code == "invalid_input"
    client.get_httpx_client().close()


def test_many_connections_at_once(url: str, rows: pd.DataFrame, expected: list[float]) -> None:
    async def ask(row: dict[Hashable, Any]) -> list[float]:
        # 50 clients of four connections: one of 200 compares each with each request, for 15 s.
        limits = httpx.Limits(max_connections=4, max_keepalive_connections=4)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60, verify=False) as client:
            answers = await asyncio.gather(*(client.post("/predict", json=row) for _ in range(10)))
            return [answer.json()["probability"] for answer in answers]

    async def ask_all() -> list[list[float]]:
        return await asyncio.gather(*map(ask, rows.to_dict("records")))

    np.testing.assert_array_equal(asyncio.run(ask_all()), [[each] * 10 for each in expected])


@pytest.mark.long
def test_responses_to_random_requests_are_documented(url: str, tmp_path: Path, full: bool) -> None:
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection"
    command = [BIN / "st", "run", f"{url}/openapi.json", "--checks", checks, "--max-examples", "500" if full else "10"]
    done = subprocess.run(
        [*command, "--no-color", "--seed", "1"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:]
