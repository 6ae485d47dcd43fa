"""Interleaved rounds: a model beside itself raises no alarm, and a tenth more time is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from packages import build_small, make_rows

from nbship.gate import Limits, time_rounds
from nbship.predictor import load

LIMIT = Limits().max_slower


def caller(package: Path, times: int) -> Callable[[], object]:
    predictor = load(package)
    rows = make_rows(50)[list(predictor.signature.names)]
    records = rows.assign(at=rows["at"].astype(str)).astype(object).where(rows.notna(), None).to_dict("records")
    return lambda: [predictor.predict_records([record]) for record in records[:times]]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_small(tmp_path_factory.mktemp("latency") / "small")


def test_a_model_beside_itself_and_one_that_does_more(package: Path) -> None:
    assert time_rounds(caller(package, 10), caller(package, 10), rounds=60).low <= LIMIT
    assert time_rounds(caller(package, 13), caller(package, 10), rounds=60).low > LIMIT


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_hundred_runs_raise_at_most_one_alarm_and_find_a_tenth(package: Path) -> None:
    alarms = sum(time_rounds(caller(package, 10), caller(package, 10)).low > LIMIT for _ in range(100))
    found = sum(time_rounds(caller(package, 11), caller(package, 10)).low > LIMIT for _ in range(20))
    assert alarms <= 1
    assert found >= 19
