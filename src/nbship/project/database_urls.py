"""URLs of databases, as in SQLAlchemy. They may hold a password, so messages show them only by `shown_url`."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

__all__ = ["database_file", "is_url", "is_valid_url", "shown_url", "without_passwords"]

_EMBEDDED = ("duckdb", "sqlite")
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]*)(?::\d+)?"
_URL = re.compile(
    rf"(?P<scheme>[A-Za-z][\w+.-]*)://(?P<user>[^@/?]*@)?(?P<host>{_HOST}(?:,{_HOST})*)(?P<path>/[^@?#]*)?(?P<query>\?.*)?"
)
# Two letters at least: `C:\logs` is a path.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
# What else is meant to be an address of a database: libpq's options, a URL without its colon or scheme.
_MEANT = re.compile(
    r"(?:^|\s)(?:host|hostaddr|port|dbname|user|password|service)\s*=|//.*@|^(?:postgres|mysql|mariadb|sqlite|duckdb)\w*\W?//",
    re.IGNORECASE,
)
_SECRET_OPTION = re.compile(r"[?&]\w*(?:pass|secret|token|key)\w*=([^&]*)", re.IGNORECASE)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def database_file(url: str) -> Path | None:
    """Return the file of a database URL; None for a server, an in-memory database, or a URL with options.

    Three slashes come before a relative path, four before an absolute one.

    >>> str(database_file("sqlite:///data/orders.db")), str(database_file("sqlite:////srv/orders.db"))
    ('data/orders.db', '/srv/orders.db')
    >>> database_file("postgresql://db/orders") is database_file("sqlite://orders.db") is None
    True
    """
    scheme, _, rest = url.partition("://")
    if scheme not in _EMBEDDED or not rest.startswith("/") or rest == "/" or "?" in rest:
        return None
    return Path(rest[1:])


def is_url(text: str) -> bool:
    """Return whether a string is, or is meant to be, a URL rather than a path.

    >>> is_url("sqlite:///orders.db"), is_url("postgres:/user@host/db"), is_url("host=db dbname=log"), is_url("orders.csv")
    (True, True, True, False)
    """
    return "://" in text or _SCHEME.match(text) is not None or _MEANT.search(text) is not None


def is_valid_url(url: str) -> bool:
    """Return whether a URL has a host, and its user and password are spelled so that every reader finds the host.

    >>> is_valid_url("postgresql://ann:p%40ss@db/log"), is_valid_url("postgresql://ann:p@ss@db/log")
    (True, False)
    """
    return _URL.fullmatch(url) is not None and _BAD_ESCAPE.search(url) is None


def shown_url(url: str) -> str:
    """Return a URL without user, password and options; only its scheme if these are hard to tell apart.

    >>> shown_url("postgresql://ann:secret@db:5432/log?sslmode=require"), shown_url("mysql://ann:p@ss/w@db/log")
    ('postgresql://db:5432/log', 'mysql://…')
    """
    match = _parts(url)
    if match is None:
        scheme = _SCHEME.match(url)
        return f"{scheme[0]}//…" if scheme else "…"
    return f"{match['scheme']}://{match['host']}{match['path'] or ''}"


def without_passwords(message: str, url: str) -> str:
    """Return another library's message about a database without the parts of its URL that may be secret.

    >>> without_passwords("no password 'secret' for ann", "postgresql://ann:secret@db/log")
    "no password '***' for ann"
    """
    match = _parts(url)
    if match is None:
        return "the message is not shown, since it may hold a part of the password; write @ in it as %40 and / as %2F"
    password = (match["user"] or "")[:-1].partition(":")[2]
    secrets = {url, password, *_SECRET_OPTION.findall(match["query"] or "")}
    secrets |= set(map(unquote, secrets))
    secrets |= {*map(quote, secrets), *map(quote_plus, secrets)}
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        message = message.replace(secret, "***")
    return message


def _parts(url: str) -> re.Match[str] | None:
    """Return the parts of a URL; None if a part of a password could be taken for another part."""
    match = _URL.fullmatch(url)
    return None if match is None or "@" in (match["query"] or "") else match
