"""Data: sources, schemas and lookups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .lookups import Key, Lookup, LookupSource, TableSource
    from .schema import Check, Column, Table, Validation, validate
    from .sources import DuckDBSource, Source, SQLiteSource, open_source
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "Check",
    "Column",
    "DuckDBSource",
    "Key",
    "Lookup",
    "LookupSource",
    "SQLiteSource",
    "Source",
    "Table",
    "TableSource",
    "Validation",
    "open_source",
    "validate",
]
