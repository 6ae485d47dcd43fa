"""A request that is wrong concerns nobody else, however many are answered at the same time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from rest_server import RECORD
from servers import serving
from waiting import PATIENCE

from nbship import predictor

pytestmark = pytest.mark.timeout(1800)
MIXED_UP = """
import time
from nbship.inference import Logged
real = Logged.begin
def begin(self, rows, **about):
    self.__dict__["rows"] = rows
    time.sleep(0.002)
    return real(self, self.__dict__["rows"], **about)
Logged.begin, Logged.quick = begin, property(lambda self: False)
"""


async def rounds(url: str, expected: list[float], *, count: int) -> int:
    """Ask 64 times at once, one of them wrongly, over and over; return how many rounds went wrong."""
    wrong = 0
    rows = [{**RECORD, "size": 1 + place % 9, "line": "abc"[place % 3], "weight": float(place)} for place in range(64)]
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=PATIENCE) as client:
        for number in range(count):
            poisoned = number % 64
            asked = [{**row, "size": "poison"} if place == poisoned else row for place, row in enumerate(rows)]
            answers = await asyncio.gather(*(client.post("/predict", json=row) for row in asked))
            for place, answer in enumerate(answers):
                right = (
                    answer.status_code == 422
                    if place == poisoned
                    else answer.status_code == 200 and answer.json()["probability"] == expected[place]
                )
                if not right:
                    wrong += 1
                    break
    return wrong


def expected_of(package: Path) -> list[float]:
    rows = [{**RECORD, "size": 1 + place % 9, "line": "abc"[place % 3], "weight": float(place)} for place in range(64)]
    found: list[float] = predictor.load(package).predict(rows).probability.tolist()
    return found


def test_one_wrong_request_of_64_is_alone(small_package: Path, tmp_path: Path, full: bool) -> None:
    with serving(small_package, tmp_path) as (url, _):
        assert asyncio.run(rounds(url, expected_of(small_package), count=1000 if full else 20)) == 0


def test_a_service_that_mixes_requests_up_is_found_out(small_package: Path, tmp_path: Path) -> None:
    with serving(small_package, tmp_path, script=MIXED_UP) as (url, _):
        assert asyncio.run(rounds(url, expected_of(small_package), count=5)) > 0
