"""An invalid request does not affect other requests handled at the same time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
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
    """Send 64 requests at once, one of them invalid, `count` times; return the number of rounds with a wrong response."""
    wrong = 0
    rows = [{**RECORD, "size": 1 + index % 9, "line": "abc"[index % 3], "weight": float(index)} for index in range(64)]
    async with AsyncExitStack() as stack:
        # A client of one connection for each row: one of 64 compares each connection with each request.
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=PATIENCE, verify=False))
            for _ in rows
        ]
        for number in range(count):
            poisoned = number % 64
            sent = [{**row, "size": "poison"} if index == poisoned else row for index, row in enumerate(rows)]
            responses = await asyncio.gather(
                *(client.post("/predict", json=row) for client, row in zip(clients, sent, strict=True))
            )
            for index, response in enumerate(responses):
                right = (
                    response.status_code == 422
                    if index == poisoned
                    else response.status_code == 200 and response.json()["probability"] == expected[index]
                )
                if not right:
                    wrong += 1
                    break
    return wrong


def expected_of(package: Path) -> list[float]:
    rows = [{**RECORD, "size": 1 + index % 9, "line": "abc"[index % 3], "weight": float(index)} for index in range(64)]
    expected_outputs: list[float] = predictor.load(package).predict(rows).probability.tolist()
    return expected_outputs


def test_one_invalid_request_of_64_affects_no_other(small_package: Path, tmp_path: Path, full: bool) -> None:
    with serving(small_package, tmp_path) as (url, _):
        assert asyncio.run(rounds(url, expected_of(small_package), count=1000 if full else 20)) == 0


@pytest.mark.long
def test_a_service_that_mixes_up_requests_would_be_caught(small_package: Path, tmp_path: Path) -> None:
    with serving(small_package, tmp_path, script=MIXED_UP) as (url, _):
        assert asyncio.run(rounds(url, expected_of(small_package), count=5)) > 0
