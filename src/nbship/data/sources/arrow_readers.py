"""Results of DuckDB in batches, by the method that each of its versions has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["record_batches"]


def record_batches(
    connection: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, Any] | None = None, *, rows: int
) -> pa.RecordBatchReader:
    """Return a reader of a query's rows, in batches of about `rows`.

    >>> import duckdb
    >>> [batch.num_rows for batch in record_batches(duckdb.connect(), "FROM range(3)", rows=10)]
    [3]
    """
    found: Any = connection.sql(query, params=dict(values)) if values else connection.sql(query)
    # `fetch_record_batch` until 1.4.
    read = getattr(found, "to_arrow_reader", None) or found.fetch_record_batch
    return read(rows)
