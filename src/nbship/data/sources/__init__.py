"""Sources of data: embedded databases for queries, and the rows of the declared sources of new data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .arrow_readers import record_batches
    from .batches import Batch, Reader
    from .declared import DeclaredSource, declared_source
    from .embedded import DuckDBSource, Scalar, Source, SQLiteSource, open_source
    from .opening import open_reader
    from .windows import DataWindow, parse_days
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "Batch",
    "DataWindow",
    "DeclaredSource",
    "DuckDBSource",
    "Reader",
    "SQLiteSource",
    "Scalar",
    "Source",
    "declared_source",
    "open_reader",
    "open_source",
    "parse_days",
    "record_batches",
]
