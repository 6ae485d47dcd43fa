"""Every logged prediction replays to the same bytes, whatever its caller and the other rows of its request."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from packages import make_rows

from nbship import predictor
from nbship.inference import Logged, predict_file, replay
from nbship.model.signature.outputs import OutputReader
from nbship.prediction_log import open_log

pytestmark = pytest.mark.timeout(3600)


def records(count: int, *, seed: int) -> list[dict]:
    rows = make_rows(count, seed=seed)
    rng = np.random.default_rng(seed)
    rows["weight"] = rows["weight"] * 10.0 ** rng.integers(-8, 8, count)
    found = json.loads(rows.to_json(orient="records", date_format="iso", double_precision=15))
    for index, row in enumerate(found):
        for name in ("limit", "grade"):
            if rng.random() < 0.5:
                del row[name]
            elif rng.random() < 0.2:
                row[name] = None
        if index % 3 == 0:
            row["at"] = row["at"].replace("Z", "+00:00")
    return found


def differing(package: Path, folder: Path, *, count: int) -> int:
    """Log `count` predictions in requests of different sizes, and replay them all; return how many differ."""
    loaded = predictor.load(package)
    with open_log(folder / "log.sqlite") as log:
        logged, ids, rows = Logged(loaded, log), [], records(count, seed=3)
        while rows:
            size = min(len(rows), 1 + len(rows) % 97)
            part, rows = rows[:size], rows[size:]
            ids += [output["id"] for output in logged.respond(part)]
        assert len(ids) == count
        again = predictor.load(package)
        return sum(not replay(log, id, predictor=again).same for id in ids)


def test_every_logged_row_replays_to_the_same_bytes(small_package: Path, tmp_path: Path, full: bool) -> None:
    assert differing(small_package, tmp_path, count=100_000 if full else 1000) == 0


def test_rows_of_a_batch_replay_to_the_same_bytes(small_package: Path, tmp_path: Path, full: bool) -> None:
    rows = make_rows(500, seed=9).drop(columns=["limit", "grade"])
    rows.to_parquet(tmp_path / "in.parquet")
    loaded = predictor.load(small_package)
    with open_log(tmp_path / "log.sqlite") as log:
        predict_file(loaded, log, source=tmp_path / "in.parquet", target=tmp_path / "out.jsonl")
        ids = pd.read_json(tmp_path / "out.jsonl", lines=True)["prediction_id"]
        assert all(replay(log, id, predictor=loaded).same for id in (ids if full else ids[::25]))


def test_outputs_that_depend_on_other_rows_are_found(
    small_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = OutputReader.read
    monkeypatch.setattr(OutputReader, "read", lambda self, scores: read(self, scores * (1 + 1e-15 * len(scores))))
    assert differing(small_package, tmp_path, count=300) > 0
