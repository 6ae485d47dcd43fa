"""The prediction log over a database: what is asked of it, and the group commit before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any

import msgspec

from ..errors import UnknownPredictionError
from .commits import GroupCommit, PendingCommit
from .databases import Database
from .records import BatchRun, Label, Record, from_micros, to_micros
from .rows import COLUMNS, TABLES, Entry, entry_of

__all__ = ["SqlLog"]

_ROWS = 10_000


class SqlLog:
    """A prediction log in a database; safe to use from several threads.

    Attributes
    ----------
    database
        Where its tables are.
    model
        The one model whose served predictions, batch runs and labels are read; None reads those of all models,
        shadows included.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.model: str | None = None
        self._commits: GroupCommit[Sequence[Entry]] = GroupCommit(database.write, try_commit=database.try_write)

    def of_model(self, name: str) -> SqlLog:
        """Return the same log, from which what was served by one model is read, and nothing else."""
        view = copy(self)
        view.model = name
        return view

    def __str__(self) -> str:
        return str(self.database)

    @property
    def salt(self) -> bytes:
        """The log's own salt for pseudonyms of personal data."""
        return self.database.salt

    def submit(self, entries: Sequence[Entry]) -> PendingCommit[Sequence[Entry]]:
        """Let entries, all of them or none, wait for whoever settles next."""
        return self._commits.submit(entries)

    def flush(self) -> None:
        """Return when all that was submitted before is durable, or refused."""
        self._commits.flush()

    def try_flush(self) -> bool:
        """Do the same if that takes but a moment, as an event loop needs it; tell whether it was done."""
        return self._commits.try_flush()

    def append(self, *entries: Entry) -> None:
        """Write entries and return when they are durable."""
        submission = self.submit(entries)
        self.flush()
        submission.check()

    def check(self) -> None:
        """Raise LogError unless a record could be written now."""
        self.append()

    def find(self, id: str) -> Record:
        """Return the record with this id."""
        found: list[Record] = list(self._read(Record, "id = ?", (id,)))
        if found:
            return found[0]
        raise UnknownPredictionError(
            f"The prediction log has no record '{id}'. Take an id from an answer, or from the column 'prediction_id' of an output."
        )

    def records(self, start: datetime, end: datetime) -> list[Record]:
        """Return the records whose event time lies in the window, in the order of their ids."""
        window = (to_micros(start), to_micros(end))
        return list(self._read(Record, "event_time >= ? AND event_time < ?", window, "ORDER BY id"))

    def recent(self, count: int) -> list[Record]:
        """Return the newest records, newest first."""
        return list(self._read(Record, "", (), f"ORDER BY id DESC LIMIT {count:d}"))

    def batches(self, start: datetime | None = None, end: datetime | None = None) -> list[BatchRun]:
        """Return the batch runs with an event in the window, newest first; without a window, all of them."""
        if start is None or end is None:
            return list(self._read(BatchRun, "", (), "ORDER BY number DESC"))
        window = (to_micros(start), to_micros(end))
        return list(self._read(BatchRun, "last_event >= ? AND first_event < ?", window, "ORDER BY number DESC"))

    def batch(self, id: str) -> list[BatchRun]:
        """Return the runs of one batch, newest first."""
        return list(self._read(BatchRun, "id = ?", (id,), "ORDER BY number DESC"))

    def labels(self) -> list[Label]:
        """Return every label, in the order in which they were told."""
        return list(self._read(Label, "", (), "ORDER BY at, number"))

    def requests(self, start: datetime, end: datetime) -> list[Record]:
        """Return the records, refusals included, that were answered from `start` until before `end`."""
        window = (to_micros(start), to_micros(end))
        return list(self._read(Record, "at >= ? AND at < ?", window, "ORDER BY id"))

    def chunks(self, start: datetime | None = None, end: datetime | None = None) -> Iterator[list[Record]]:
        """Yield the records answered in a window, in the order of their ids, a bounded part at a time."""
        low, high = (-(2**62) if start is None else to_micros(start)), (2**62 if end is None else to_micros(end))
        last = ""
        # The + keeps databases from sorting all that is left, by the index of `at`, for each part.
        window = "id > ? AND +at >= ? AND +at < ?"
        while part := list(self._read(Record, window, (last, low, high), f"ORDER BY id LIMIT {_ROWS}")):
            yield part
            last = part[-1].id

    def counts(self, start: datetime, end: datetime) -> tuple[int, ...]:
        """Count the entries that concern a window: by event time, by time of answer, batch runs, and all labels."""
        window = (to_micros(start), to_micros(end))
        return (
            self._scalar(Record, "count(*)", "event_time >= ? AND event_time < ?", window),
            self._scalar(Record, "count(*)", "at >= ? AND at < ?", window),
            self._scalar(BatchRun, "count(*)", "last_event >= ? AND first_event < ?", window),
            self._scalar(Label, "count(*)"),
        )

    def last_event(self) -> datetime | None:
        """Return the latest event time of a prediction, or None."""
        moments = (
            self._scalar(Record, "max(event_time)", "event_time IS NOT NULL"),
            self._scalar(BatchRun, "max(last_event)"),
        )
        known = [moment for moment in moments if moment is not None]
        return from_micros(max(known)) if known else None

    def known(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids under which a prediction is logged."""
        where, scope = self._where(Record, "id = ? AND outputs IS NOT NULL")
        query = self._query(f"SELECT 1 FROM {{}}records {where}")
        with self.database.connected("read") as connection:
            return {id for id in ids if connection.execute(query, (id, *scope)).fetchone()}

    def has_keys(self, keys: str) -> bool:
        """Tell whether a record has these key columns."""
        return next(iter(self._read(Record, "keys = ?", (keys,), "LIMIT 1")), None) is not None

    def keys(self) -> set[str]:
        """Return the key columns of all records."""
        where, scope = self._where(Record, "keys IS NOT NULL")
        with self.database.connected("read") as connection:
            rows = connection.execute(self._query(f"SELECT DISTINCT keys FROM {{}}records {where}"), scope).fetchall()
        return {row[0] for row in rows}

    def prune(self, before: datetime) -> int:
        """Delete what was answered, run and told before a moment; return how many entries that were."""
        gone = 0
        with self.database.connected("written") as connection:
            for kind, table in TABLES.items():
                where, scope = self._where(kind, "at < ?", shadows=True)
                query = self._query(f"DELETE FROM {{}}{table} {where}")
                gone += connection.execute(query, (to_micros(before), *scope)).rowcount
        return gone

    def forget(self, fields: Mapping[str, str]) -> int:
        """Delete the records, refused ones included, whose inputs have one of these fields; return how many.

        Parameters
        ----------
        fields
            Name -> JSON text of the value, or of its pseudonym. The labels of these records go with them.
        """
        # Inputs are JSON without spaces, in which a quote within a text never stands bare.
        gone = 0
        with self.database.connected("written") as connection:
            for name, value in fields.items():
                pair = _escaped(f"{msgspec.json.encode(name).decode()}:{value}")
                here = "(inputs LIKE ? ESCAPE '!' OR inputs LIKE ? ESCAPE '!')"
                where, scope = self._where(Record, here, shadows=True)
                chosen, values = f"FROM {{0}}records {where}", (f"%{pair},%", f"%{pair}}}%", *scope)
                for column, told in (("id", "prediction_id"), ("keys", "keys")):
                    query = f"DELETE FROM {{0}}labels WHERE {told} IN (SELECT {column} {chosen})"
                    connection.execute(self._query(query), values)
                gone += connection.execute(self._query(f"DELETE {chosen}"), values).rowcount
        return gone

    def close(self) -> None:
        """Write what waits and close the database."""
        self._commits.close()
        self.database.close()

    def __enter__(self) -> SqlLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _query(self, text: str) -> str:
        return text.format(self.database.prefix).replace("?", self.database.mark)

    def _where(self, kind: type[Any], condition: str, *, shadows: bool = False) -> tuple[str, tuple[str, ...]]:
        """Return the WHERE clause of a condition for what is read here, and the values that it adds at its end."""
        conditions = [condition] if condition else []
        scope: tuple[str, ...] = ()
        if self.model is not None:
            # Labels of older logs name no model.
            conditions.append("(model = ? OR model IS NULL)" if kind is Label else "model = ?")
            scope = (self.model,)
            if kind is Record and not shadows:
                conditions.append("role = 'served'")
        return f"WHERE {' AND '.join(conditions)}" if conditions else "", scope

    def _scalar(self, kind: type[Any], what: str, condition: str = "", values: Sequence[object] = ()) -> Any:
        where, scope = self._where(kind, condition)
        with self.database.connected("read") as connection:
            query = self._query(f"SELECT {what} FROM {{}}{TABLES[kind]} {where}")
            return connection.execute(query, (*values, *scope)).fetchone()[0]

    def _read(self, kind: type[Any], condition: str, values: Sequence[object], tail: str = "") -> Iterator[Any]:
        where, scope = self._where(kind, condition)
        query = self._query(f"SELECT {', '.join(COLUMNS[kind])} FROM {{}}{TABLES[kind]} {where} {tail}")
        with self.database.connected("read") as connection:
            rows = connection.execute(query, (*values, *scope)).fetchall()
        for row in rows:
            yield entry_of(kind, row)


def _escaped(text: str) -> str:
    for character in "!%_":
        text = text.replace(character, f"!{character}")
    return text
