"""Look up the results of a batch run by key over REST."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import jsonschema
import pandas as pd
import pytest
from packages import make_rows
from servers import running

from nbship import predictor
from nbship.errors import SourceError
from nbship.inference import Logged, open_results, predict_file
from nbship.prediction_log import open_log
from nbship.project import ServingSection
from nbship.serving import Service


@pytest.fixture(params=["out.parquet", "out.csv", "out.jsonl"])
def client(request: pytest.FixtureRequest, small_package: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    make_rows(100, seed=3).drop(columns=["limit", "grade"]).to_parquet(tmp_path / "in.parquet")
    loaded, output = predictor.load(small_package), tmp_path / request.param
    with open_log(tmp_path / "log.sqlite") as log:
        predict_file(loaded, log, source=tmp_path / "in.parquet", target=output)
    service = Service(
        lambda: Logged(loaded, open_log(tmp_path / "log.sqlite"), mode="rest"),
        settings=ServingSection(results=str(output)),
        open_results=lambda logged: open_results(
            output, package=loaded.package, log=logged.log, folder=tmp_path / "results"
        ),
    )
    with running(service) as client:
        yield client


def test_predictions_are_found_by_key(client: httpx.Client, small_package: Path, tmp_path: Path) -> None:
    rows = make_rows(100, seed=3)
    expected = predictor.load(small_package).predict(rows.drop(columns=["limit", "grade"])).probability
    keys = [{"key": {"at": row["at"].isoformat(), "line": row["line"]}} for row in rows.to_dict("records")]
    answers = client.post("/results", json=keys).json()
    assert [answer["probability"] for answer in answers] == expected.tolist()
    one = client.post("/results", json=keys[7])
    assert one.json() == answers[7]
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    jsonschema.validate(one.json(), {**schemas["Prediction"], "components": {"schemas": schemas}})
    # The same time with another offset.
    other = {
        "key": {
            "at": pd.Timestamp(keys[7]["key"]["at"]).tz_convert("Asia/Tokyo").isoformat(),
            "line": keys[7]["key"]["line"],
        }
    }
    assert client.post("/results", json=other).json() == answers[7]
    nobody = {"key": {"at": "2031-01-01T00:00:00Z", "line": "a"}}
    assert client.post("/results", json=[keys[0], nobody]).json() == [answers[0], None]
    assert client.post("/results", json=nobody).status_code == 404
    for wrong, field in (
        ({}, "key"),
        ({"key": {"line": "a"}}, "key.at"),
        ({"key": {"at": "soon", "line": "a"}}, "key.at"),
        ({**keys[0], "x": 1}, "x"),
    ):
        refused = client.post("/results", json=wrong)
        assert refused.status_code == 422
        assert field in [each["field"] for each in refused.json()["error"]["fields"]]


def test_files_that_are_not_results_of_this_package_are_errors(
    small_package: Path, other_package: Path, tmp_path: Path
) -> None:
    make_rows(20, seed=3).to_parquet(tmp_path / "in.parquet")
    loaded, other = predictor.load(small_package), predictor.load(other_package)
    with open_log(tmp_path / "log.sqlite") as log:
        predict_file(other, log, source=tmp_path / "in.parquet", target=tmp_path / "out.parquet")
        for name, reason in (
            ("none.parquet", "no file"),
            ("in.parquet", "has no batch run with this output"),
            ("out.parquet", f"version {other.version} wrote it"),
        ):
            with pytest.raises(SourceError, match=reason):
                open_results(tmp_path / name, package=loaded.package, log=log, folder=tmp_path / "results")


def test_a_service_without_results_says_so(small_package: Path, tmp_path: Path) -> None:
    loaded = predictor.load(small_package)
    with running(Service(lambda: Logged(loaded, open_log(tmp_path / "log.sqlite")))) as client:
        answer = client.post("/results", json={"key": {}})
        assert answer.status_code == 404
        assert "--results" in answer.json()["error"]["message"]
        assert "/results" not in client.get("/openapi.json").json()["paths"]
