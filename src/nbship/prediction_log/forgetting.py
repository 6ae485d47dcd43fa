"""Delete a person's entries in parts: bounded memory, and the database is locked only briefly.

Labels are deleted before the records by which they are found, so that a killed run can be repeated::

    labels   512 at a time ──► their records, by id and by key ──► delete those of the person
    records  512 at a time, in the order of their ids ───────────► delete those of the person
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from .databases import Connection, Database
from .records import Label, Record
from .rows import TABLES

__all__ = ["delete_entries"]

_ROWS = 512
_IsTheirs: TypeAlias = Callable[[Mapping[str, Any]], bool]
# Returns a WHERE clause that is restricted to a model, and the values to append for it.
_Where: TypeAlias = "Callable[..., tuple[str, tuple[str, ...]]]"


def delete_entries(database: Database, where: _Where, is_theirs: _IsTheirs) -> int:
    """Delete the records and labels of a person; return the number of deleted records.

    Parameters
    ----------
    is_theirs
        Returns whether a row of inputs or key columns belongs to the person.
    """
    with database.connected("written", slow=True) as connection:
        search = _Search(database, connection, where, is_theirs)
        for numbers in search.labels():
            search.delete(Label, "number", numbers)
        return sum(search.delete(Record, "id", ids) for ids in search.records())


class _Search:
    def __init__(self, database: Database, connection: Connection, where: _Where, is_theirs: _IsTheirs) -> None:
        self._database, self._connection, self._where, self._is_theirs = database, connection, where, is_theirs

    def records(self) -> Iterator[Sequence[str]]:
        """Yield the ids of the person's records, part by part."""
        for part in self._parts(Record, "id", "inputs", first=""):
            yield [id for id, inputs in part if self._has(inputs)]

    def labels(self) -> Iterator[Sequence[int]]:
        """Yield the numbers of the person's labels: of their records, by id or by key, and of their key columns."""
        for part in self._parts(Label, "number", "prediction_id, keys", first=-1):
            ids = self._theirs("id", {id for _, id, _ in part if id is not None})
            keys = {keys for _, _, keys in part if keys is not None}
            keys = self._theirs("keys", keys) | {each for each in keys if self._has(each)}
            yield [number for number, id, key in part if id in ids or key in keys]

    def delete(self, kind: type[Any], column: str, chosen: Sequence[object]) -> int:
        if not chosen:
            return 0
        started = time.monotonic()
        condition = f"{column} IN ({', '.join('?' * len(chosen))})"
        deleted = self._run(f"DELETE FROM {{}}{TABLES[kind]} WHERE {condition}", chosen).rowcount
        # SQLite's lock is not fair: without a pause, a service that waits to write might never find it free.
        time.sleep(time.monotonic() - started)
        return int(deleted)

    def _parts(self, kind: type[Any], order: str, columns: str, *, first: object) -> Iterator[Sequence[Any]]:
        """Yield the rows of a table in parts; rows of a part may be deleted meanwhile."""
        where, scope = self._where(kind, f"{order} > ?", shadows=True)
        query = f"SELECT {order}, {columns} FROM {{}}{TABLES[kind]} {where} ORDER BY {order} LIMIT {_ROWS}"
        while part := self._run(query, (first, *scope)).fetchall():
            first = part[-1][0]
            yield part

    def _theirs(self, column: str, values: Collection[str]) -> set[str]:
        """Return those of the ids, or keys, that a record of the person has."""
        if not values:
            return set()
        where, scope = self._where(Record, f"{column} IN ({', '.join('?' * len(values))})", shadows=True)
        rows = self._run(f"SELECT {column}, inputs FROM {{}}records {where}", (*values, *scope))
        return {value for value, inputs in rows if self._has(inputs)}

    def _has(self, text: str | None) -> bool:
        """Return whether inputs or keys belong to the person; the inputs of a rejected request are a list of rows."""
        content = None if text is None else msgspec.json.decode(text)
        return any(isinstance(row, dict) and self._is_theirs(row) for row in _rows_in(content))

    def _run(self, query: str, values: Sequence[object]) -> Any:
        text = query.format(self._database.prefix).replace("?", self._database.mark)
        return self._connection.execute(text, values)


def _rows_in(content: Any) -> Sequence[Any]:
    return content if isinstance(content, list) else [content]
