"""Delete a person's entries, found by value, in parts: bounded memory, and the database is locked only briefly.

Labels are deleted before the records by which they are found, so that a killed run can be repeated::

    labels   512 at a time ──► their records, by id and by key ──► delete those of the person
    records  512 at a time, in the order of their ids ───────────► delete those of the person
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from ..model.signature import Field
from .databases import Connection, Database
from .keys import parse_value
from .records import Label, Record, pseudonym
from .rows import TABLES

__all__ = ["Subject", "delete_entries"]

_ROWS, _MOST_KEYS = 512, 10_000
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
        self._keys: dict[str, bool] = {}

    def records(self) -> Iterator[Sequence[str]]:
        """Yield the ids of the person's records, part by part."""
        for part in self._parts(Record, "id", "inputs", first=""):
            yield [id for id, inputs in part if self._has(inputs)]

    def labels(self) -> Iterator[Sequence[int]]:
        """Yield the numbers of the person's labels: of their records, by id or by key, and of their key columns."""
        for part in self._parts(Label, "number", "prediction_id, keys", first=-1):
            yield [number for number, id, keys in part if self._is_of_record("id", id) or self._is_of_key(keys)]

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
        """Yield the rows that a table has now, in parts; rows of a part may be deleted meanwhile."""
        last = self._run(f"SELECT max({order}) FROM {{}}{TABLES[kind]}", ()).fetchone()[0]
        # Rows that a service adds meanwhile are left: deleting them might never end.
        where, scope = self._where(kind, f"{order} > ? AND {order} <= ?", shadows=True)
        query = f"SELECT {order}, {columns} FROM {{}}{TABLES[kind]} {where} ORDER BY {order} LIMIT {_ROWS}"
        while part := self._run(query, (first, last, *scope)).fetchall():
            first = part[-1][0]
            yield part

    def _is_of_key(self, keys: str | None) -> bool:
        """Return whether the person has these key columns, or a record with them."""
        if keys is None:
            return False
        # Many labels may have one key, and many records too.
        if keys not in self._keys:
            if len(self._keys) == _MOST_KEYS:
                self._keys.clear()
            self._keys[keys] = self._has(keys) or self._is_of_record("keys", keys)
        return self._keys[keys]

    def _is_of_record(self, column: str, value: str | None) -> bool:
        """Return whether a record of the person has this id, or these key columns."""
        if value is None:
            return False
        where, scope = self._where(Record, f"{column} = ?", shadows=True)
        rows = self._run(f"SELECT inputs FROM {{}}records {where}", (value, *scope))
        return any(self._has(inputs) for (inputs,) in rows)

    def _has(self, text: str | None) -> bool:
        """Return whether inputs or keys belong to the person; the inputs of a rejected request are a list of rows."""
        content = None if text is None else msgspec.json.decode(text)
        return any(isinstance(row, dict) and self._is_theirs(row) for row in _rows_in(content))

    def _run(self, query: str, values: Sequence[object]) -> Any:
        text = query.format(self._database.prefix).replace("?", self._database.mark)
        return self._connection.execute(text, values)


def _rows_in(content: Any) -> Sequence[Any]:
    return content if isinstance(content, list) else [content]


class Subject:
    """A person, known by the value of one field.

    The value counts, not its text: `40`, `40.0` and `"40"` are one number, `08:00-04:00` and `12:00Z` one time. Values
    and pseudonyms are both found, because the signature's `pii` may have changed since they were logged.

    Parameters
    ----------
    text
        The value as text.
    salt
        The log's salt for pseudonyms.

    Raises
    ------
    ValueError
        If the text is not a value of the field. The message is the reason, without the value.

    >>> subject = Subject(Field("age", "int"), "40", salt=b"")
    >>> [subject.is_in({"age": age}) for age in (40, 40.0, "40", [39, 40], 400, None)]
    [True, True, True, True, False, False]
    """

    def __init__(self, field: Field, text: str, *, salt: bytes) -> None:
        self._field = field
        self._value = parse_value(text, field)
        self._texts = {text, *(pseudonym(each, salt) for each in _earlier_forms(self._value, text))}

    def is_in(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row of inputs or key columns has the person's value."""
        return self._field.name in row and any(map(self._equals, _scalars(row[self._field.name])))

    def _equals(self, value: Any) -> bool:
        if isinstance(value, str) and value in self._texts:
            return True
        try:
            return bool(parse_value(value, self._field) == self._value)
        except ValueError:
            return False


def _earlier_forms(value: Any, text: str) -> Iterator[object]:
    """Yield the forms of a value of which the log holds pseudonyms: nbship 0.1 took values as they came."""
    yield value
    if isinstance(value, float) and value == 0:
        yield -value
    yield text
    if isinstance(value, float) and value.is_integer():
        yield int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        yield float(value)
    yield [value]
    yield [text]


def _scalars(value: Any) -> Iterator[Any]:
    """Yield the values in a value: a rejected request may have a list or an object in place of a value."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from _scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    else:
        yield value
