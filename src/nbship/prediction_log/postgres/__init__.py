"""A prediction log in PostgreSQL; psycopg is imported when a log is opened."""

from __future__ import annotations

from .database import Postgres
from .servers import connect_server, server_errors

__all__ = ["Postgres", "connect_server", "server_errors"]
