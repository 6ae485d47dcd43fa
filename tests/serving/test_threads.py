"""Large requests run in threads, and small ones in the event loop beside them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from servers import running
from waiting import PATIENCE, wait_until

from nbship import predictor
from nbship.inference import Logged
from nbship.prediction_log import open_log
from nbship.serving import Service

RECORD = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5}
LARGE = 1000


class Held:
    """A predictor that holds large requests until `go` is set, and counts those that run at the same time."""

    def __init__(self, package: Path, *, quick: bool) -> None:
        self.predictor, self.quick = predictor.load(package), quick
        self.package, self.models = self.predictor.package, self.predictor.models
        self.go, self.counting = threading.Event(), threading.Lock()
        self.running = self.most = 0

    def predict_each(self, records: Sequence[Mapping[str, Any]]) -> Any:
        return self.predictor.predict_each(records)

    def predict_records(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        if len(rows) < LARGE:
            return self.predictor.predict_records(rows)
        with self.counting:
            self.running += 1
            self.most = max(self.most, self.running)
        assert self.go.wait(PATIENCE)
        found = self.predictor.predict_records(rows)
        with self.counting:
            self.running -= 1
        return found


@pytest.mark.parametrize(("quick", "most"), [(True, 1), (False, 4)])
def test_large_requests_to_a_quick_model_take_turns(
    small_package: Path, tmp_path: Path, *, quick: bool, most: int
) -> None:
    held = Held(small_package, quick=quick)
    app = Service(lambda: Logged(held, open_log(tmp_path / "log.sqlite"), mode="rest"))
    with running(app) as client, ThreadPoolExecutor(6) as pool:
        lists = [pool.submit(client.post, "/predict", json=[RECORD] * LARGE) for _ in range(6)]
        try:
            wait_until(lambda: f"nbship_requests_queued {6 - most}.0" in client.get("/metrics").text)
            assert held.running == most
            if quick:
                # Neither a single row nor feedback takes the turn of a list.
                single = client.post("/predict", json=RECORD)
                assert single.status_code == 200
                assert client.post("/feedback", json={"id": single.json()["id"], "label": 1}).status_code == 200
        finally:
            held.go.set()
        assert [each.result().status_code for each in lists] == [200] * 6
    assert held.most == most
