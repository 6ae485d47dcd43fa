"""Embedded databases: SQL with bound parameters over files or a database file.

A source runs a query and returns an Arrow table. DuckDB is the default: it reads CSV and Parquet files as tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ...errors import SourceError
from ...project import database_file, shown_url
from ...text import first_line

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DuckDBSource", "SQLiteSource", "Scalar", "Source", "open_source"]

Scalar: TypeAlias = str | int | float | bool | date | datetime | None


class Source(Protocol):
    """A source of rows that runs SQL. A parameter is written `$name` in the query and bound, never pasted."""

    def query(self, sql: str, parameters: Mapping[str, Scalar] | None = None) -> pa.Table:
        """Return the query's rows; a query that fails raises `SourceError`."""

    def close(self) -> None:
        """Close files and connections."""

    def __enter__(self) -> Source: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _Closing:
    """Closes its connection, also at the end of a `with` block."""

    _connection: Any

    def close(self) -> None:
        """Close files and connections."""
        self._connection.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class DuckDBSource(_Closing):
    """Query CSV and Parquet files, or a DuckDB database, in this process.

    It runs on one thread and in UTC, so that a query with a total `ORDER BY` always gives the same bytes.

    Parameters
    ----------
    database
        A DuckDB file, opened read-only; by default a new database in memory.
    tables
        Files to read as tables, by their names in queries.
    null
        The string that means null in CSV files.
    """

    def __init__(
        self, database: Path | str = ":memory:", *, tables: Mapping[str, Path] | None = None, null: str = ""
    ) -> None:
        import duckdb

        if str(database) != ":memory:":
            _require_file(Path(database), what="database")
        settings: dict[str, Any] = {"threads": 1, "autoinstall_known_extensions": False}
        try:
            self._connection = duckdb.connect(str(database), read_only=str(database) != ":memory:", config=settings)
            # Not in `settings`: DuckDB 1.4 and 1.5 load the extension that knows time zones after they read those.
            self._connection.execute("SET TimeZone = 'UTC'")
            for name, path in (tables or {}).items():
                self._add_table(name, Path(path), null=null)
        except duckdb.Error as error:
            raise SourceError(f"DuckDB cannot open '{database}': {first_line(error)}. Check the file.") from error

    def __enter__(self) -> DuckDBSource:
        return self

    def query(self, sql: str, parameters: Mapping[str, Scalar] | None = None) -> pa.Table:
        """Return the query's rows as an Arrow table.

        >>> DuckDBSource().query("SELECT $n + 1 AS answer", {"n": 41}).to_pylist()
        [{'answer': 42}]

        Raises
        ------
        SourceError
            If the query is wrong, or a parameter is missing or unused.
        """
        import duckdb

        bound = dict(parameters or {})
        _require_used(sql, bound)
        try:
            relation = self._connection.sql(sql, params=bound)
        except duckdb.Error as error:
            raise SourceError(_query_message(error)) from error
        if relation is None:
            raise SourceError("The query returns no table. Write a SELECT.")
        try:
            return relation.to_arrow_table()
        except duckdb.Error as error:
            raise SourceError(_query_message(error)) from error

    def _add_table(self, name: str, path: Path, *, null: str) -> None:
        _require_file(path, what=f"table '{name}'")
        quoted = '"' + name.replace('"', '""') + '"'
        if path.suffix == ".parquet":
            self._connection.read_parquet(str(path)).create_view(name)
        else:
            # The whole file is sampled, so that all values of a column decide its type.
            self._connection.execute(
                f"CREATE TABLE {quoted} AS SELECT * FROM read_csv($path, header = true, nullstr = $null, sample_size = -1)",
                {"path": str(path), "null": null},
            )


class SQLiteSource(_Closing):
    """Query an SQLite file, opened read-only."""

    def __init__(self, database: Path | str) -> None:
        import sqlite3

        _require_file(Path(database), what="database")
        self._connection = sqlite3.connect(f"{Path(database).absolute().as_uri()}?mode=ro", uri=True)

    def __enter__(self) -> SQLiteSource:
        return self

    def query(self, sql: str, parameters: Mapping[str, Scalar] | None = None) -> pa.Table:
        """Return the query's rows as an Arrow table.

        Raises
        ------
        SourceError
            If the query is wrong, or a parameter is missing or unused.
        """
        import sqlite3

        import pyarrow as pa

        bound = dict(parameters or {})
        _require_used(sql, bound)
        try:
            cursor = self._connection.execute(sql, bound)
            names = [column[0] for column in cursor.description or ()]
            rows = cursor.fetchall()
        except sqlite3.Error as error:
            raise SourceError(_query_message(error)) from error
        columns = list(zip(*rows, strict=True)) if rows else [() for _ in names]
        return pa.table({name: pa.array(list(column)) for name, column in zip(names, columns, strict=True)})


_SCHEMES: Mapping[str, Callable[[str], Source]] = {"duckdb": DuckDBSource, "sqlite": SQLiteSource}


def open_source(url: str) -> Source:
    """Open the database at a URL, as SQLAlchemy spells it: `duckdb:///relative/file`, `sqlite:////absolute/file`.

    Raises
    ------
    SourceError
        If the kind of database is unknown or the file does not exist.
    """
    scheme, path = url.partition("://")[0], database_file(url)
    if path is None:
        raise SourceError(
            f"'{shown_url(url)}' is not the URL of a database file. Use one of {', '.join(sorted(_SCHEMES))}: "
            "'sqlite:///relative/file' or 'sqlite:////absolute/file'."
        )
    return _SCHEMES[scheme](str(path))


def _require_file(path: Path, *, what: str) -> None:
    if not path.is_file():
        raise SourceError(f"There is no file '{path}' for the {what}. Put the file there or correct the path.")


def _require_used(sql: str, parameters: Mapping[str, Scalar]) -> None:
    unused = sorted(name for name in parameters if f"${name}" not in sql)
    if unused:
        raise SourceError(
            f"The query does not use parameter '{unused[0]}'. Use ${unused[0]} in the query or drop the parameter."
        )


def _query_message(error: Exception) -> str:
    text = first_line(error)
    missing = "Values were not provided for the following parameters: "
    if missing in text:
        return f"The query needs parameter '{text.partition(missing)[2]}'. Pass a value for it."
    return f"The query failed: {text.rstrip('.!')}. Correct the query, or the table that it names."
