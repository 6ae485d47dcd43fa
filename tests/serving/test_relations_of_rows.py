"""A row that breaks a relation of the signature is rejected by every interface, and the rejection is logged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from packages import build_small, make_rows
from servers import running

from nbship import predictor
from nbship.inference import Logged, predict_file
from nbship.model import Field
from nbship.prediction_log import open_log
from nbship.serving import Service

SENT = "2013-06-01T08:30:00-04:00"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fields = [Field("sent", "datetime", example=SENT, title="Sent")]
    return build_small(tmp_path_factory.mktemp("relations"), fields=fields, relations=["sent < at"])


def test_rest_answers_422_with_the_row_and_the_field(package: Path, tmp_path: Path) -> None:
    model = predictor.load(package)
    good: dict[str, Any] = {"at": "2024-01-02T08:00:00-05:00", "line": "a", "size": 3, "weight": 10.0, "sent": SENT}
    bad = good | {"sent": good["at"]}
    with running(Service(lambda: Logged(model, open_log(tmp_path / "log.sqlite"), mode="rest"))) as client:
        assert client.post("/predict", json=good).status_code == 200
        for body, row in ((bad, 0), ([good, bad], 1)):
            response = client.post("/predict", json=body)
            assert response.status_code == 422
            assert response.json()["error"]["fields"] == [{"row": row, "field": "at", "reason": "is not after 'sent'"}]
        schema = client.get("/openapi.json").json()["components"]["schemas"]["Record"]
        assert schema["description"] == "In a valid record, sent < at."
    with open_log(tmp_path / "log.sqlite") as log:
        assert [record.error is None for record in reversed(log.recent(3))] == [True, False, False]


def test_a_batch_run_rejects_the_row(package: Path, tmp_path: Path) -> None:
    rows = make_rows(20, seed=3)[["at", "line", "size", "weight"]].assign(sent=pd.Timestamp(SENT))
    rows.loc[7, "sent"] = rows.loc[7, "at"].tz_convert("UTC")
    rows["sent"] = pd.to_datetime(rows["sent"], utc=True)
    rows.to_parquet(tmp_path / "rows.parquet")
    with open_log(tmp_path / "log.sqlite") as log:
        done = predict_file(
            predictor.load(package), log, source=tmp_path / "rows.parquet", target=tmp_path / "scored.csv"
        )
    assert (done.run.rows, done.run.rejected) == (19, 1)
    assert done.rejected_path is not None
    assert "is not after 'sent'" in done.rejected_path.read_text()
