"""URLs of databases that are files, in SQLAlchemy's spelling: three slashes and a relative path, four and an absolute one."""

from __future__ import annotations

from pathlib import Path

__all__ = ["database_file"]

_EMBEDDED = ("duckdb", "sqlite")


def database_file(url: str) -> Path | None:
    """Return the file that a URL names; None where the URL names a server, or no file.

    >>> str(database_file("sqlite:///data/orders.db")), str(database_file("sqlite:////srv/orders.db"))
    ('data/orders.db', '/srv/orders.db')
    >>> database_file("postgresql://db/orders") is database_file("sqlite://orders.db") is None
    True
    """
    scheme, _, rest = url.partition("://")
    if scheme not in _EMBEDDED or not rest.startswith("/") or rest == "/":
        return None
    return Path(rest[1:])
