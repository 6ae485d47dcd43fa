"""URLs of embedded databases, as in SQLAlchemy: three slashes before a relative path, four before an absolute one."""

from __future__ import annotations

from pathlib import Path

__all__ = ["database_file"]

_EMBEDDED = ("duckdb", "sqlite")


def database_file(url: str) -> Path | None:
    """Return the file of a database URL; None for a server or an in-memory database.

    >>> str(database_file("sqlite:///data/orders.db")), str(database_file("sqlite:////srv/orders.db"))
    ('data/orders.db', '/srv/orders.db')
    >>> database_file("postgresql://db/orders") is database_file("sqlite://orders.db") is None
    True
    """
    scheme, _, rest = url.partition("://")
    if scheme not in _EMBEDDED or not rest.startswith("/") or rest == "/":
        return None
    return Path(rest[1:])
