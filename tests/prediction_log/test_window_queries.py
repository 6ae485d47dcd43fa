"""A window costs what it holds: each query of a report searches an index, and none scans records or labels."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prediction_log.test_log import NOON, record

from nbship.model.signature import Field, Output, Signature
from nbship.prediction_log import Label, Parts, latest_event, open_log

HOUR = timedelta(hours=1)
SIGNATURE = Signature(
    (Field("at", "datetime", timezone="UTC"), Field("k", "int", key=True)),
    outputs=(
        Output("label", "int", "label", classes=(0, 1)),
        Output("probability", "float", "probability", positive=1),
    ),
    event_time="at",
)


def test_no_query_of_a_report_scans_records_or_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any]] = []
    path = tmp_path / "log.sqlite"
    with open_log(path) as log:
        for hour in range(48):
            at = NOON + hour * HOUR
            inputs = f'{{"at":"{at:%Y-%m-%dT%H:%M:%SZ}","k":{hour}}}'
            one = record(at=at, event_time=at, inputs=inputs, keys=f'{{"k":{hour}}}', model="m")
            log.append(one, Label("1", at, prediction_id=one.id, model="m"), Label("0", at, keys=one.keys, model="m"))
        connected = log.database.connected

        @contextmanager
        def watched(*words: Any, **options: Any) -> Iterator[Any]:
            with connected(*words, **options) as connection:
                yield _Watched(connection, asked)

        monkeypatch.setattr(log.database, "connected", watched)
        view, window = log.of_model("m"), (NOON + 4 * HOUR, NOON + 9 * HOUR)
        rows = sum(len(part.frame) for part in Parts(view, SIGNATURE, start=window[0], end=window[1]))
        requests = sum(len(part.at) for part in view.timings(*window))
        counts, latest = view.counts(*window), latest_event(view, SIGNATURE, before=NOON + 99 * HOUR)
    assert (rows, requests, counts[:2], latest) == (5, 5, (5, 5), NOON + 47 * HOUR)
    with closing(sqlite3.connect(path)) as plain:
        plans = {
            query: [row[3] for row in plain.execute(f"EXPLAIN QUERY PLAN {query}", values)] for query, values in asked
        }
    # The last label is the first one in the descending order of numbers.
    scans = {
        query: plan
        for query, plan in plans.items()
        if any(step.startswith(("SCAN records", "SCAN labels")) for step in plan)
    }
    assert [query for query in scans if "ORDER BY number DESC LIMIT 1" not in query] == []
    assert len(plans) > 6


class _Watched:
    """A connection that remembers its queries."""

    def __init__(self, connection: Any, asked: list[tuple[str, Any]]) -> None:
        self._connection, self._asked = connection, asked

    def execute(self, query: str, values: Any = ()) -> Any:
        self._asked.append((query, values))
        return self._connection.execute(query, values)
