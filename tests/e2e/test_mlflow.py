"""MLflow, in an environment without nbship and the project, loads and serves the package."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from families import fitted, make_rows, make_signature
from waiting import PATIENCE, wait_until

from nbship import predictor
from nbship.model import Provenance, build_package

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "models/flights"
PEERS = ROOT / ".nbship/cache/peers/bin"
ENVIRONMENT = {
    "PATH": f"{PEERS}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/"), "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1",
}  # fmt: skip
LOAD = """
import json, sys, mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
answers = model.predict(pandas.read_parquet(sys.argv[2]))
own = sorted({name.partition(".")[0] for name in sys.modules if name.startswith(("nbship", "flights", "sklearn"))})
print(json.dumps({"own": own, **{name: answers[name].tolist() for name in answers}}))
"""

pytestmark = pytest.mark.skipif(not (PEERS / "mlflow").exists(), reason="`make peers` installs MLflow")


@pytest.fixture
def golden(reference: Path) -> pd.DataFrame:
    return pd.read_parquet(reference / "models/flights" / "golden.parquet")


@pytest.fixture
def inputs(golden: pd.DataFrame) -> pd.DataFrame:
    return golden[[name for name in golden if not name.startswith("output:")]]


def test_pyfunc_predicts_the_golden_outputs_bit_for_bit(
    golden: pd.DataFrame, inputs: pd.DataFrame, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in PACKAGE.rglob("*")}
    inputs.to_parquet(tmp_path / "inputs.parquet")
    for _ in range(2):
        done = subprocess.run(
            [PEERS / "python", "-c", LOAD, PACKAGE, tmp_path / "inputs.parquet"],
            env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        assert told["probability"] == golden["output:probability"].tolist()
        assert told["label"] == golden["output:label"].tolist()
    assert [name for name in told["own"] if not name.startswith("nbship_runtime_")] == []
    assert {path: path.stat().st_mtime_ns for path in PACKAGE.rglob("*")} == before


@pytest.mark.parametrize(("family", "path"), [("support vectors", "onnx"), ("neighbours", "sklearn")])
def test_pyfunc_predicts_with_every_backend(family: str, path: str, tmp_path: Path) -> None:
    rows = make_rows()
    build_package(
        tmp_path / "p", name="other", estimator=fitted(family), signature=make_signature(), golden=rows.head(600), reference=rows, provenance=Provenance(),
    )  # fmt: skip
    rows.head(50).to_parquet(tmp_path / "inputs.parquet")
    done = subprocess.run(
        [PEERS / "python", "-c", LOAD, tmp_path / "p", tmp_path / "inputs.parquet"],
        env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    model = predictor.load(tmp_path / "p")
    assert model.backend == path
    assert {name: told[name] for name in told.keys() - {"own"}} == {
        name: values.tolist() for name, values in model.predict(rows.head(50)).columns().items()
    }
    assert ("sklearn" in told["own"]) == (path == "sklearn")


def test_models_serve_gives_the_same_outputs(golden: pd.DataFrame, inputs: pd.DataFrame, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [PEERS / "mlflow", "models", "serve", "-m", PACKAGE, "-p", str(port), "-h", "127.0.0.1", "--env-manager", "local"]  # fmt: skip
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, env=ENVIRONMENT, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            wait_until(lambda: server.poll() is not None or is_up(client))
            assert server.poll() is None, (tmp_path / "log").read_text()
            rows = inputs.head(100)
            body = json.loads(rows.to_json(orient="split", date_format="iso", date_unit="us", double_precision=15))
            body.pop("index")
            response = client.post("/invocations", json={"dataframe_split": body})
            assert response.status_code == 200, response.text
            answers = pd.DataFrame(response.json()["predictions"])
            assert answers["label"].tolist() == golden["output:label"].head(100).tolist()
            np.testing.assert_allclose(answers["probability"], golden["output:probability"].head(100), rtol=1e-12)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(PATIENCE)


def is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/ping").status_code == 200
    except httpx.TransportError:
        return False
