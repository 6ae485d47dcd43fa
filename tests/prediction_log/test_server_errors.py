"""Errors of a PostgreSQL server quote no row, whatever table of nbship they come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from services import postgres_url

from nbship.alerting import databases
from nbship.errors import NbshipError
from nbship.prediction_log.postgres import Postgres
from nbship.scheduler import database

USES: dict[str, Callable[[str], Any]] = {
    "log": lambda url: Postgres(url).connected("read"),
    "alerts": lambda url: databases._Postgres(url).transaction(),
    "schedules": lambda url: database.Postgres(url).transaction(),
}


def _insert_twice(use: str, url: str) -> None:
    with USES[use](url) as rows:
        run = rows.change if use == "schedules" else rows.execute
        run("CREATE TABLE people (name TEXT UNIQUE)")
        for _ in range(2):
            run("INSERT INTO people VALUES ('Ann Miller')")


@pytest.mark.parametrize("use", USES)
def test_details_of_an_error_are_left_out(use: str) -> None:
    with postgres_url() as url, pytest.raises(NbshipError) as found:
        _insert_twice(use, url)
    assert 'duplicate key value violates unique constraint "people_name_key"' in str(found.value)
    assert "Ann" not in str(found.value)
    assert found.value.__cause__ is None
    assert found.value.__suppress_context__
