"""Real services for tests; a test is skipped without its service, which fails in continuous integration (`skips.py`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from waiting import PATIENCE

SERVER = os.environ.get("NBSHIP_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")


@contextmanager
def postgres_url() -> Iterator[str]:
    """Yield the URL of a new schema in a PostgreSQL database."""
    import psycopg

    schema = f"nbship_test_{uuid4().hex[:12]}"
    try:
        connection = psycopg.connect(SERVER, autocommit=True, connect_timeout=int(PATIENCE))
    except psycopg.OperationalError as error:
        pytest.skip(f"PostgreSQL is not there (NBSHIP_TEST_POSTGRES names it): {error}")
    with connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        try:
            yield f"{SERVER}?options=-csearch_path%3D{schema}"
        finally:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
