"""The health of the service: errors and latency that are found, and those that are not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from packages import make_rows

from nbship import predictor
from nbship.errors import InvalidInputError
from nbship.inference import Logged
from nbship.monitoring import plots, tables
from nbship.monitoring.service import judge_service, resources, service, training
from nbship.prediction_log import LoggedTimings, Usage, open_log
from nbship.prediction_log.records import to_micros
from nbship.run_records import RunRecord

START = datetime(2024, 7, 1, tzinfo=UTC)
REQUESTS = 2000


def _requests(seed: int, *, errors: float = 0.001, slower: float = 1.0, count: int = REQUESTS) -> LoggedTimings:
    """Requests of a week; latency is log-normal, as it is on a shared machine, and half a millisecond in the middle."""
    random = np.random.default_rng(seed)
    latency = slower * random.lognormal(np.log(0.5), 0.6, count)
    seconds = np.sort(random.uniform(0, 7 * 86_400, count))
    answered = [None if random.random() < errors else float(each) for each in latency]
    return LoggedTimings([to_micros(START + timedelta(seconds=float(at))) for at in seconds], answered, [1] * count)


def _week(seed: int, **planted: float) -> dict[str, Any]:
    return service([_requests(seed, **planted)])


def _judged(week: dict[str, Any], earlier: Sequence[dict[str, Any]]) -> dict[str, str]:
    return {check["check"]: check["verdict"] for check in judge_service(week, earlier)["checks"]}


def test_a_healthy_service_is_ok() -> None:
    weeks = [_week(seed) for seed in range(30)]
    verdicts = [_judged(week, weeks[:k]) for k, week in enumerate(weeks)]
    assert {verdict["errors"] for verdict in verdicts} == {"ok"}
    assert [verdict["latency"] for verdict in verdicts] == ["insufficient"] * 3 + ["ok"] * 27


def test_an_error_rate_of_two_percent_is_found() -> None:
    found = [_judged(_week(seed, errors=0.02), ())["errors"] for seed in range(60)]
    assert sum(verdict in ("warning", "alert") for verdict in found) >= 57


def test_a_slow_model_is_found_and_named() -> None:
    earlier = [_week(seed) for seed in range(4)]
    weeks = [_week(100 + seed, slower=5.0) for seed in range(60)]
    assert sum(_judged(week, earlier)["latency"] in ("warning", "alert") for week in weeks) >= 57
    reason = judge_service(weeks[0], earlier)["reason"]
    assert "of the predictions took at most" in reason
    assert "in earlier windows at most" in reason


def test_numbers_of_a_window() -> None:
    timings = _requests(1, errors=0.1)
    halves = [
        LoggedTimings(timings.at[rows], timings.latency_ms[rows], timings.rows[rows])
        for rows in (slice(900), slice(900, None))
    ]
    found = service(halves, zone=ZoneInfo("America/New_York"))
    latencies = np.array([each for each in timings.latency_ms if each is not None])
    assert found["errors"] == REQUESTS - len(latencies)
    assert found["latency_ms"]["p99"] == pytest.approx(np.percentile(latencies, 99))
    assert sum(day["requests"] for day in found["days"]) == REQUESTS
    # The first hours of July in UTC are June in New York.
    assert [found["days"][0]["date"], found["days"][-1]["date"]] == ["2024-06-30", "2024-07-07"]
    assert datetime.fromisoformat(found["from"]) == START + timedelta(microseconds=timings.at[0] - to_micros(START))
    days = pd.DataFrame({"latency": timings.latency_ms}).groupby(
        pd.to_datetime(timings.at, unit="us", utc=True).tz_convert("America/New_York").strftime("%Y-%m-%d")
    )["latency"]
    assert {day["date"]: day["requests"] for day in found["days"]} == days.size().to_dict()
    assert [day["p95"] for day in found["days"]] == pytest.approx(days.quantile(0.95).tolist())


def test_few_requests_are_not_judged() -> None:
    assert service(())["verdict"] == "insufficient"
    found = _judged(_week(1, count=20, slower=100.0), [_week(seed) for seed in range(4)])
    assert found == {"errors": "ok", "latency": "insufficient"}


def test_resources_and_training() -> None:
    usage = [
        Usage(START + timedelta(minutes=k), 60.0, "shops", f"host:{k % 2}", 1.5 + k, 10**8 + k * 10**6)
        for k in range(4)
    ]
    found = resources(usage)
    assert (found["processes"], found["hours"], found["cpu_seconds"]) == (2, pytest.approx(240 / 3600), 12.0)
    assert found["cores"] == pytest.approx(12 / 240)
    assert found["memory_bytes"] == {"mean": 101_500_000, "max": 103_000_000}
    runs = [
        RunRecord("fit", "2024-06-01T00:00:00", "done", 3.0, 2.5, 10**8, "3.11", "linux"),
        RunRecord("fit", "2024-06-02T00:00:00", "done", 4.0, None, None, "3.11", "linux"),
        RunRecord("fit", "2024-06-03T00:00:00", "ValueError", 1.0, 1.0, 10**9, "3.11", "linux"),
    ]
    assert training(runs) == [
        {"stage": "fit", "started": "2024-06-02T00:00:00", "seconds": 4.0, "cpu_seconds": None, "peak_memory": None}
    ]
    report = {
        "service": _week(1) | {"resources": found},
        "training": training(runs),
        "volume": {"by_mode": {"rest": 5}},
    }
    assert plots.requests(report) is not None
    assert plots.resources(report) is not None
    for table in (tables.service_table, tables.resources_table, tables.training_table):
        assert len(str(table(report)).splitlines()) > 1


def test_a_rejected_list_counts_with_all_of_its_rows(small_package: Path, tmp_path: Path) -> None:
    records = [
        {**row, "at": row["at"].isoformat(), "weight": 10.0}
        for row in make_rows(60, seed=4)[["at", "line", "size", "weight"]].astype({"weight": object}).to_dict("records")
    ]
    with open_log(tmp_path / "log.sqlite") as log:
        logged = Logged(predictor.load(small_package), log)
        logged.predict(records)
        with pytest.raises(InvalidInputError):
            logged.predict([*records, {**records[0], "size": "wrong"}])
        found = service(log.timings(START, datetime.now(UTC) + timedelta(days=1)))
    assert (found["requests"], found["errors"]) == (121, 61)
    assert sum(day["errors"] for day in found["days"]) == 61
