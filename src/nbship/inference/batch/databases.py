"""Batches from and to databases: a query's result is stored as a file, scored, and loaded in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...atomic_write import replacing
from ...errors import SourceError
from ...model.signature import Signature
from ...project import is_url, shown_url, without_passwords
from ...tabular import TableWriter, writing
from ...text import one_line

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa

__all__ = ["is_database_url", "load_table", "save_query"]

_ROWS = 50_000


def is_database_url(text: str) -> bool:
    """Return whether a string is the URL of a database rather than a path.

    >>> is_database_url("sqlite:///orders.db"), is_database_url("orders.csv")
    (True, False)
    """
    return is_url(text)


def save_query(url: str, query: str, path: Path, *, signature: Signature) -> int:
    """Write a query's result to a Parquet file, atomically and in bounded memory. Return the number of rows.

    Parameters
    ----------
    url
        An SQLAlchemy URL.
    query
        Its ORDER BY decides the row order, and with it the prediction ids.

    Raises
    ------
    SourceError
        If the database cannot be read, or a column's type does not fit its field.
    """
    with _failures(url, "read"):
        import sqlalchemy as sa

        engine, count = _engine(url), 0
        try:
            with replacing(path, durable=True, private=True) as temporary, engine.connect() as connection:
                writer = TableWriter(temporary, suffix=".parquet")
                options = {"stream_results": True, "yield_per": _ROWS}
                result = connection.execution_options(**options).execute(sa.text(query))
                names = list(result.keys())
                types: dict[str, pa.DataType] = {}
                for rows in result.partitions(_ROWS):
                    table = _table(rows, names, types, signature)
                    with writing(path.parent):
                        writer.write(table)
                    count += table.num_rows
                if not count:
                    raise SourceError(f"The query on '{shown_url(url)}' returned no rows. Correct the query.")
                with writing(path.parent):
                    writer.close()
        finally:
            engine.dispose()
    return count


def load_table(path: Path, url: str, name: str, *, run: str) -> None:
    """Write a batch run's output to a table in one transaction.

    The table is created if it does not exist. Rows from an earlier attempt of the same run are replaced.

    Raises
    ------
    SourceError
        If the database cannot be written.
    """
    import pyarrow.parquet as pq

    with _failures(url, "write to"):
        import sqlalchemy as sa

        engine = _engine(url, writes=True)
        try:
            with engine.begin() as connection, pq.ParquetFile(path) as file:
                table = sa.Table(name, sa.MetaData(), *_columns(file.schema_arrow))
                table.create(connection, checkfirst=True)
                connection.execute(table.delete().where(table.c.prediction_id.startswith(f"{run}-", autoescape=True)))
                for batch in file.iter_batches(batch_size=_ROWS):
                    connection.execute(table.insert(), batch.to_pylist())
        finally:
            engine.dispose()


def _engine(url: str, *, writes: bool = False) -> sa.Engine:
    """Return an engine whose errors do not show the values of rows.

    Raises
    ------
    SourceError
        If the URL is not valid.
    """
    import sqlalchemy as sa

    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise SourceError(
            f"The database URL '{shown_url(url)}' is not valid. Write it as 'dialect+driver://user:password@host/database', with @ and / of a password as %40 and %2F."
        ) from None
    is_sqlite = parsed.drivername.partition("+")[0] == "sqlite"
    in_memory = parsed.database in (None, "", ":memory:")
    # SQLite would create it.
    if (
        is_sqlite
        and not writes
        and not in_memory
        and not str(parsed.database).startswith("file:")
        and not Path(str(parsed.database)).exists()
    ):
        raise SourceError(f"There is no database '{shown_url(url)}'. Check the path.")
    if writes and is_sqlite and in_memory:
        raise SourceError(f"The table would be lost: '{shown_url(url)}' is a database in memory. Name a file, as in sqlite:///shop.db.")  # fmt: skip
    return sa.create_engine(parsed, hide_parameters=True)


@contextmanager
def _failures(url: str, action: str) -> Iterator[None]:
    try:
        import sqlalchemy as sa
    except ImportError as error:
        raise SourceError("Databases need SQLAlchemy. Install it: pip install 'nbship[sql]'.") from error
    try:
        yield
    except (sa.exc.DataError, sa.exc.IntegrityError) as error:
        # The database's message quotes the row.
        raise SourceError(
            f"Cannot {action} the database '{shown_url(url)}': it rejected a row ({type(error.orig).__name__}). Check the types and keys of the table."
        ) from None
    # Options of a URL that a driver does not have are TypeErrors or ValueErrors of the driver.
    except (sa.exc.SQLAlchemyError, ImportError, OSError, TypeError, ValueError) as error:
        reason = without_passwords(one_line(getattr(error, "orig", None) or error), url).rstrip(".")
        # Not chained: a driver's message may quote the password.
        raise SourceError(
            f"Cannot {action} the database '{shown_url(url)}': {reason}. Check the URL and the query."
        ) from None


def _table(
    rows: Sequence[Sequence[Any]], names: Sequence[str], types: dict[str, pa.DataType], signature: Signature
) -> pa.Table:
    import pyarrow as pa

    columns = []
    for number, name in enumerate(names):
        dtype = signature[name].dtype if name in signature.names else ""
        values = [_plain(row[number], dtype) for row in rows]
        if name not in types or pa.types.is_null(types[name]):
            types[name] = _type(values, dtype)
        if (
            pa.types.is_timestamp(types[name])
            and len({each.tzinfo is None for each in values if isinstance(each, datetime)} | {types[name].tz is None})
            > 1
        ):
            raise SourceError(f"Column '{name}' has times with and without a zone. Cast it in the query.")
        try:
            columns.append(pa.array(values, type=types[name]))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            raise SourceError(
                f"Column '{name}' has values that cannot be stored as {types[name]}. Cast it in the query."
            ) from None
    return pa.table(columns, names=list(names))


def _plain(value: Any, dtype: str) -> Any:
    if dtype == "bool" and isinstance(value, bytes):
        return int.from_bytes(value)  # MySQL's type BIT
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else value


def _type(values: Sequence[Any], dtype: str) -> pa.DataType:
    """Return a column's type, from its field's dtype and its first value."""
    import pyarrow as pa

    first = next((value for value in values if value is not None), None)
    if isinstance(first, datetime):
        return pa.timestamp("us", tz="UTC" if first.tzinfo else None)
    by_dtype: Mapping[str, pa.DataType] = {"float": pa.float64(), "int": pa.int64()}
    if isinstance(first, (int, float)) and not isinstance(first, bool) and dtype in by_dtype:
        return by_dtype[dtype]
    return pa.array([first]).type if first is not None else by_dtype.get(dtype, pa.string())


def _columns(schema: pa.Schema) -> list[sa.Column[Any]]:
    import pyarrow.types as types
    import sqlalchemy as sa

    def kind(of: pa.DataType) -> Any:
        if types.is_timestamp(of):
            return sa.DateTime(timezone=of.tz is not None)
        if types.is_boolean(of):
            return sa.Boolean
        if types.is_integer(of):
            return sa.BigInteger
        return sa.Double if types.is_floating(of) else sa.Text

    return [sa.Column(field.name, kind(field.type), primary_key=field.name == "prediction_id") for field in schema]
