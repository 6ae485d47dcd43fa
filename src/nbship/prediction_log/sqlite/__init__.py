"""A prediction log in a SQLite file."""

from __future__ import annotations

from .database import Sqlite

__all__ = ["Sqlite"]
