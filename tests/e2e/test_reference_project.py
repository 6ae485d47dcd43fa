"""The reference project: one model with identical outputs through all interfaces."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from checkout import BIN, command
from servers import modules_of, resident_memory, serving
from waiting import PATIENCE

ROWS = 10_000


@pytest.fixture(scope="module")
def asked(reference: Path) -> pd.DataFrame:
    """Return inputs of the model for flights in July."""
    from flights.arrivals import inputs, read_window

    return inputs(read_window("2013-07-01", "2013-07-15")).head(ROWS).reset_index(drop=True)


@pytest.fixture(scope="module")
def records(asked: pd.DataFrame) -> list[dict[str, Any]]:
    rows = asked.astype(object).where(asked.notna(), None).to_dict("records")
    return [
        {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
        for row in rows
    ]


@pytest.fixture(scope="module")
def offline(reference: Path, asked: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> pd.Series[float]:
    """Return the probabilities written by `nbship predict`."""
    folder = tmp_path_factory.mktemp("offline")
    asked.to_parquet(folder / "in.parquet")
    environ = {"NBSHIP_STATE": str(folder / "state")}
    command("nbship", "predict", str(folder / "in.parquet"), str(folder / "out.parquet"), **environ)
    written = pd.read_parquet(folder / "out.parquet")
    assert len(written) == ROWS
    asked.to_csv(folder / "in.csv", index=False)
    command("nbship", "predict", str(folder / "in.csv"), str(folder / "out.csv"), **environ)
    same = pd.read_csv(folder / "out.csv", dtype=str)["probability"].map(float)
    assert same.to_numpy().tobytes() == written["probability"].to_numpy().tobytes()
    return written["probability"]


@pytest.fixture(scope="module")
def client(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Yield a client of `nbship serve`."""
    import os

    environ = {**os.environ, "NBSHIP_STATE": str(tmp_path_factory.mktemp("state"))}
    server = subprocess.Popen(
        [str(BIN / "nbship"), "serve", "--port", "0"], cwd=reference, env=environ, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = next(found[0] for line in server.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        with httpx.Client(base_url=url, timeout=PATIENCE) as connection:
            yield connection
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=PATIENCE)
        assert server.returncode == 0


def bits(values: Any) -> bytes:
    return np.asarray(values, dtype=np.float64).tobytes()


def test_a_service_of_the_reference_model_stays_small(
    reference: Path, records: list[dict[str, Any]], tmp_path: Path
) -> None:
    # 68 MB, with lookups of 26,000 and 3,000 rows. pandas and pyarrow would add 100 MB.
    report, script = modules_of(tmp_path)
    with serving(reference / "models/flights", tmp_path, script=script) as (url, server):
        assert httpx.post(f"{url}/predict", json=records[0], timeout=PATIENCE).status_code == 200
        resident = resident_memory(server.pid)
    assert resident < 100e6
    assert not {"pandas", "pyarrow", "scipy", "sklearn"} & set(report.read_text().split())


def test_lists_over_rest_get_the_same_bits(
    client: httpx.Client, records: list[dict[str, Any]], offline: pd.Series[float]
) -> None:
    answers = [
        answer
        for start in range(0, ROWS, 500)
        for answer in client.post("/predict", json=records[start : start + 500]).json()
    ]
    assert bits([answer["probability"] for answer in answers]) == bits(offline)


def test_single_records_over_rest_get_the_same_bits(
    client: httpx.Client, records: list[dict[str, Any]], offline: pd.Series[float]
) -> None:
    url = client.base_url

    def ask(part: list[dict[str, Any]]) -> list[float]:
        # A request of http.client takes a tenth of the time of one of httpx.
        with closing(HTTPConnection(url.host, url.port, timeout=PATIENCE)) as connection:
            found = []
            for record in part:
                connection.request("POST", "/predict", json.dumps(record), {"content-type": "application/json"})
                found.append(json.loads(connection.getresponse().read())["probability"])
            return found

    answers = np.empty(ROWS)
    with ThreadPoolExecutor(8) as pool:
        for first, part in enumerate(pool.map(ask, [records[first::8] for first in range(8)])):
            answers[first::8] = part
    assert bits(answers) == bits(offline)


def test_the_wheel_gives_the_same_bits(
    reference: Path, asked: pd.DataFrame, offline: pd.Series[float], tmp_path: Path
) -> None:
    wheel = Path(json.loads(command("nbship", "package", "wheel", "--to", str(tmp_path), "--json").stdout)["wheel"])
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        archive.extractall(tmp_path / "installed")
    assert not tops & {"nbship", "flights"}
    asked.to_parquet(tmp_path / "in.parquet")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import pandas, flights_model;"
        "flights_model.predict(pandas.read_parquet(sys.argv[2])).to_parquet(sys.argv[3]);"
        "assert not {'nbship', 'flights'} & set(sys.modules)"
    )
    paths = [str(tmp_path / name) for name in ("installed", "in.parquet", "out.parquet")]
    command(sys.executable, "-c", script, *paths, cwd=tmp_path)
    assert bits(pd.read_parquet(tmp_path / "out.parquet")["probability"]) == bits(offline)


def test_the_training_side_agrees(reference: Path, asked: pd.DataFrame, offline: pd.Series[float]) -> None:
    from flights.lookups import lookups
    from flights.tables import read_table
    from nbship import model

    estimator = model.load_estimator(reference / "products/train/model.skops")
    joined = asked
    for lookup in lookups(
        *(read_table(reference / f"products/validate/{name}.parquet") for name in ("weather", "planes"))
    ):
        joined = lookup.join(joined)
    trained = estimator.predict_proba(joined)[:, 1]
    assert np.abs(trained - offline.to_numpy()).max() <= 1e-12


def test_after_a_run_dvc_has_nothing_to_do(reference: Path) -> None:
    assert "Data and pipelines are up to date" in command("dvc", "status").stdout


def test_dvc_shows_metrics_plots_and_the_graph(reference: Path, tmp_path: Path) -> None:
    assert "auc" in command("dvc", "metrics", "show", "--md").stdout
    assert "train" in command("dvc", "dag").stdout
    command("dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    assert "vega" in (tmp_path / "plots/index.html").read_text().lower()


def test_verify_proves_the_package(reference: Path) -> None:
    assert "bit for bit" in command("nbship", "verify", "models/flights").stdout
