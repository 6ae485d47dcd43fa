"""Errors of a PostgreSQL server quote no row, whatever table of nbship they come from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from services import postgres_url

from nbship.alerting import databases
from nbship.errors import NbshipError
from nbship.prediction_log.postgres import Postgres
from nbship.scheduler import database

OWNERS: dict[str, Callable[[str], Any]] = {
    "log": Postgres,
    "alerts": databases._Postgres,
    "schedules": database.Postgres,
}


def _insert_twice(owner: Any) -> None:
    with owner.connected("read") if isinstance(owner, Postgres) else owner.transaction() as rows:
        run = rows.change if isinstance(owner, database.Postgres) else rows.execute
        run("CREATE TABLE people (name TEXT UNIQUE)")
        for _ in range(2):
            run("INSERT INTO people VALUES ('Ann Miller')")


@pytest.mark.parametrize("name", OWNERS)
def test_details_of_an_error_are_left_out(name: str) -> None:
    with postgres_url() as url, closing(OWNERS[name](url)) as owner, pytest.raises(NbshipError) as found:
        _insert_twice(owner)
    assert 'duplicate key value violates unique constraint "people_name_key"' in str(found.value)
    assert "Ann" not in str(found.value)
    assert found.value.__cause__ is None
    assert found.value.__suppress_context__
