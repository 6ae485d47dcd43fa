"""Every prediction log: SQLite, PostgreSQL, and PostgreSQL with a spool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from services import postgres_url

from nbship.prediction_log import SqlLog, open_log


@pytest.fixture(params=["sqlite", "postgres", "spooled"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path | None]]:
    """The URL of a log, and its spool."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'log.sqlite'}", None
        return
    with postgres_url() as url:
        yield url, tmp_path / "spool.sqlite" if request.param == "spooled" else None


@pytest.fixture
def log(address: tuple[str, Path | None]) -> Iterator[SqlLog]:
    with open_log(address[0], spool=address[1]) as opened:
        yield opened
