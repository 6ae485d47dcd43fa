"""Rows of a database: SQLAlchemy reads in batches, DuckDB gives Arrow.

Days are bound to `$from` and `$to`, never pasted. Of a table, the rows from a day before to a day after the window are read,
and those outside of it are left out later: databases compare times in zones of their own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from ...errors import SourceDownError, SourceError
from ...project import database_file, without_passwords
from ...text import one_line
from .arrow_readers import record_batches
from .batches import ROWS, Batch, missing_columns
from .declared import DeclaredSource
from .python_values import table_of
from .windows import DataWindow

__all__ = ["DatabaseReader"]

# Few rows at a time, so that a slow database is seen to send some.
_FETCHED = 5_000
_PARAMETER = re.compile(r"\$(from|to)\b")
_DAY = timedelta(days=1)
# What a connection fails with, in the words of drivers, and what another attempt does not change.
_REJECTED = re.compile(r"password|authentication|access denied|no pg_hba|role .* does not exist", re.IGNORECASE)
_UNKNOWN = re.compile(r"database .* does not exist|unknown database", re.IGNORECASE)


class DatabaseReader:
    """Reads the rows of a window from a table or a query.

    Parameters
    ----------
    on_progress
        Called when rows arrive.
    """

    unit = "row"

    def __init__(
        self, source: DeclaredSource, url: str, window: DataWindow, *, on_progress: Callable[[], None]
    ) -> None:
        self._source, self._url, self._window, self._on_progress = source, url, window, on_progress

    def __iter__(self) -> Iterator[Batch]:
        file = database_file(self._url)
        if file is not None:
            self._require_file(self._source.root / file)
        if self._url.startswith("duckdb:"):
            yield from self._duckdb(self._source.root / (file or ""))
        else:
            with self._failures():
                yield from self._sqlalchemy()

    def _require_file(self, path: Path) -> None:
        if not path.is_file():
            raise SourceDownError(
                f"The source '{self._source.name}' is down: there is no database file '{self._source.shown(self._url)}'. Check the path in '{self._source.key}.url'.",
                passing=False,
            )

    def _sqlalchemy(self) -> Iterator[Batch]:
        import sqlalchemy as sa

        engine = sa.create_engine(self._engine_url(sa), hide_parameters=True, **self._options())
        try:
            with engine.connect() as connection:
                if engine.dialect.name == "postgresql":
                    # Days begin in the zone of the source; the source is only read.
                    connection.execute(sa.text("SELECT set_config('TimeZone', :zone, false)"), {"zone": str(self._source.local_zone)})  # fmt: skip
                    connection.execute(sa.text("SET TRANSACTION READ ONLY"))
                self._on_progress()
                text, values = self._statement(engine.dialect.identifier_preparer.quote)
                reading = connection.execution_options(stream_results=True, yield_per=_FETCHED)
                result = reading.execute(sa.text(text), values)
                yield from self._batches(list(result.keys()), result.partitions(_FETCHED))
        finally:
            engine.dispose()

    def _engine_url(self, sa: Any) -> Any:
        try:
            parsed = sa.make_url(self._url)
        except (sa.exc.ArgumentError, ValueError):
            raise SourceError(
                f"The source '{self._source.name}' has a URL that is not valid. Write '{self._source.key}.url' as 'dialect+driver://user:password@host/database'."
            ) from None
        if parsed.drivername in ("postgresql", "postgres"):
            # The driver of nbship's own extra, not SQLAlchemy's default.
            return parsed.set(drivername="postgresql+psycopg")
        if parsed.drivername.startswith("sqlite") and parsed.database:
            return parsed.set(database=str(self._source.root / parsed.database))
        return parsed

    def _options(self) -> Mapping[str, Any]:
        seconds = max(2, math.ceil(self._source.settings.connect_seconds))  # libpq waits two seconds at least
        server = self._url.partition("://")[0].partition("+")[0] in ("postgresql", "postgres", "mysql", "mariadb")
        return {"connect_args": {"connect_timeout": seconds}} if server else {}

    def _statement(self, quote: Callable[[str], str]) -> tuple[str, Mapping[str, str]]:
        """Return the statement with SQLAlchemy's parameters, and their values."""
        if query := self._source.settings.query:
            return _PARAMETER.sub(r":\1", query.replace(":", r"\:")), self._days
        text, values = self._table_statement(quote)
        return _PARAMETER.sub(r":\1", text), values

    @property
    def _days(self) -> Mapping[str, str]:
        return {"from": str(self._window.first), "to": str(self._window.to)}

    def _table_statement(self, quote: Callable[[str], str]) -> tuple[str, Mapping[str, str]]:
        settings, window = self._source.settings, self._window
        columns = ", ".join(map(quote, self._source.columns))
        table = ".".join(map(quote, settings.table.split(".")))
        text = f"SELECT {columns} FROM {table}"
        # Strings in another format than ISO 8601 are not in the order of time.
        if settings.time in settings.dates:
            return text, {}
        time = quote(settings.time)
        values = {"from": str(window.first - _DAY), "to": str(window.to + _DAY)}
        return f"{text} WHERE {time} >= $from AND {time} < $to", values

    def _batches(self, names: list[str], partitions: Iterator[Any]) -> Iterator[Batch]:
        if missing := missing_columns(self._source, names, shown=self._source.shown(self._url)):
            raise missing
        indices = {name: names.index(name) for name in self._source.columns}
        first, rows = 1, []
        for part in partitions:
            self._on_progress()
            rows += part
            if len(rows) >= ROWS:
                yield self._batch(rows, indices, first)
                first, rows = first + len(rows), []
        if rows:
            yield self._batch(rows, indices, first)

    def _batch(self, rows: list[Any], indices: Mapping[str, int], first: int) -> Batch:
        columns = {name: [row[index] for row in rows] for name, index in indices.items()}
        table, unreadable = table_of(columns, self._source.columns)
        return Batch(table, range(first, first + len(rows)), unreadable)

    def _duckdb(self, path: Path) -> Iterator[Batch]:
        import duckdb
        import pyarrow as pa

        try:
            with duckdb.connect(
                str(path), read_only=True, config={"threads": 1, "autoinstall_known_extensions": False}
            ) as connection:
                connection.execute(f"SET TimeZone = '{self._source.local_zone}'")
                self._on_progress()
                settings = self._source.settings
                text, values = settings.query, self._days
                if not text:
                    text, values = self._table_statement(_quoted)
                    text = _PARAMETER.sub(r"$\1::TIMESTAMPTZ", text)
                reader = record_batches(connection, text, dict(values), rows=ROWS)
                if missing := missing_columns(self._source, reader.schema.names, shown=self._source.shown(self._url)):
                    raise missing
                first = 1
                for batch in reader:
                    self._on_progress()
                    table = pa.Table.from_batches([batch]).select(list(self._source.columns))
                    yield Batch(table, range(first, first + batch.num_rows))
                    first += batch.num_rows
        except duckdb.IOException as error:
            raise self._down(error) from None
        except duckdb.Error as error:
            raise self._failed(error) from None

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            import sqlalchemy as sa
        except ImportError as error:
            raise SourceError("Databases need SQLAlchemy. Install it: pip install 'nbship[sql]'.") from error
        try:
            yield
        except ImportError as error:
            raise SourceError(
                f"The source '{self._source.name}' needs a driver that is not installed: {one_line(error)}. Install it; for PostgreSQL: pip install 'nbship[postgres]'."
            ) from error
        except (sa.exc.OperationalError, sa.exc.InterfaceError, OSError) as error:
            raise self._unavailable(getattr(error, "orig", None) or error) from None
        except (sa.exc.SQLAlchemyError, TypeError, ValueError) as error:
            raise self._failed(getattr(error, "orig", None) or error) from None

    def _unavailable(self, error: BaseException) -> SourceError:
        reason, shown = self._reason(error), self._source.shown(self._url)
        if _UNKNOWN.search(reason):
            return SourceError(
                f"The source '{self._source.name}' does not exist: '{shown}': {reason}. Correct '{self._source.key}.url'."
            )
        if _REJECTED.search(reason):
            return SourceError(
                f"The source '{self._source.name}' rejected the credentials: '{shown}'. Check the variables in '{self._source.key}.url'."
            )
        if "no such table" in reason or "no such column" in reason:  # SQLite has one class of errors
            return self._failed(error)
        return self._down(error)

    def _down(self, error: BaseException) -> SourceDownError:
        return SourceDownError(
            f"The source '{self._source.name}' is down: '{self._source.shown(self._url)}': {self._reason(error)}. Check that the database is running and '{self._source.key}.url'."
        )

    def _failed(self, error: BaseException) -> SourceError:
        key = self._source.key
        what = f"'{key}.query'" if self._source.settings.query else f"'{key}.table' or '{key}.columns'"
        return SourceError(
            f"The source '{self._source.name}' cannot be queried: {self._reason(error)}. Correct {what}."
        )

    def _reason(self, error: BaseException) -> str:
        # Details quote rows, and the line with the position the query; of what failed, the last part is the reason.
        text = re.split(r"DETAIL:|\nLINE |\n\s*\^|\n\s*Is the server running", str(error))[0].rpartition("failed: ")[2]
        return without_passwords(one_line(text, most=200), self._url).rstrip(".?")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
