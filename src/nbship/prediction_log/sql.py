"""The prediction log in a database: its queries, and group commit for its writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import datetime
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from ..errors import UnknownPredictionError
from .commits import GroupCommit, PendingCommit
from .databases import Database
from .forgetting import delete_entries
from .pruning import prune_entries, remove_indexes
from .records import BatchRun, Label, Record, Usage, from_micros, rejected_rows, to_micros
from .rows import COLUMNS, TABLES, Entry, LoggedColumns, LoggedLabels, LoggedTimings, entry_of

__all__ = ["SqlLog"]

_ROWS, _VALUES = 10_000, 512


class SqlLog:
    """A prediction log in a database; safe to use from several threads.

    Attributes
    ----------
    database, folder
        The database with its tables, and the folder for files that are derived from the log.
    model
        The model whose served predictions, batch runs and labels are read. None reads the entries of all models,
        shadow predictions included.
    """

    def __init__(self, database: Database, *, folder: Path | None = None) -> None:
        self.database, self.folder = database, folder
        self.model: str | None = None
        self._commits: GroupCommit[Sequence[Entry]] = GroupCommit(database.write, try_commit=database.try_write)

    def of_model(self, name: str) -> SqlLog:
        """Return the same log, from which only the served predictions, batch runs and labels of one model are read.

        Writing is not restricted. Deleting (`prune`, `forget`) includes the model's shadow predictions.
        """
        view = copy(self)
        view.model = name
        return view

    def __str__(self) -> str:
        return str(self.database)

    @property
    def salt(self) -> bytes:
        """The log's salt for pseudonyms of personal data."""
        return self.database.salt

    def submit(self, entries: Sequence[Entry]) -> PendingCommit[Sequence[Entry]]:
        """Queue entries for the next flush; they are written together or not at all."""
        return self._commits.submit(entries)

    def flush(self) -> None:
        """Write all queued entries, or wait while another thread writes them."""
        self._commits.flush()

    def try_flush(self) -> bool:
        """Write all queued entries if that blocks an event loop only briefly; return whether the queue is empty."""
        return self._commits.try_flush()

    def append(self, *entries: Entry) -> None:
        """Write entries; return when they are durable."""
        pending = self.submit(entries)
        self.flush()
        pending.check()

    def check(self) -> None:
        """Raise LogError if no record can be written now."""
        self.append()

    def find(self, id: str) -> Record:
        """Return the record with this id."""
        found: list[Record] = list(self._read(Record, "id = ?", (id,)))
        if found:
            return found[0]
        raise UnknownPredictionError(
            f"The prediction log has no record '{id}'. Use an id from a response, or from the column 'prediction_id' of a batch output.",
            id=id,
        )

    def records(self, start: datetime, end: datetime) -> Iterator[Record]:
        """Yield the records whose event time lies in the window, in the order of event times and ids."""
        return self._window("event_time", start, end)

    def prediction_columns(self, start: datetime, end: datetime, *, measured: bool = False) -> Iterator[LoggedColumns]:
        """Yield the predictions whose event time lies in the window, in parts, in the order of event times and ids.

        Of those that are only measured, `at` and `caller` are empty.
        """
        time, _, *others = LoggedColumns._fields
        unread = ("at", "caller") if measured else ()
        condition = " AND inputs IS NOT NULL AND outputs IS NOT NULL"
        read = [name for name in others if name not in unread]
        for times, ids, found in self._columns(", ".join(read), time, start, end, condition=condition):
            yield LoggedColumns(times, ids, **dict.fromkeys(unread, ()), **dict(zip(read, found, strict=True)))

    def recent(self, count: int) -> list[Record]:
        """Return the newest records, newest first."""
        return list(self._read(Record, "", (), f"ORDER BY id DESC LIMIT {count:d}"))

    def batches(self, start: datetime | None = None, end: datetime | None = None) -> list[BatchRun]:
        """Return the batch runs with events in the window, newest first; without a window, all batch runs."""
        if start is None or end is None:
            return list(self._read(BatchRun, "", (), "ORDER BY number DESC"))
        window = (to_micros(start), to_micros(end))
        return list(self._read(BatchRun, "last_event >= ? AND first_event < ?", window, "ORDER BY number DESC"))

    def batch(self, id: str) -> list[BatchRun]:
        """Return the runs of one batch, newest first."""
        return list(self._read(BatchRun, "id = ?", (id,), "ORDER BY number DESC"))

    def labels(self) -> list[Label]:
        """Return all labels in the order in which they were reported."""
        return list(self._read(Label, "", (), "ORDER BY number", slow=True))

    def requests(self, start: datetime, end: datetime) -> Iterator[Record]:
        """Yield the records, errors included, made in a window (`start` inclusive, `end` exclusive), in their order."""
        return self._window("at", start, end)

    def timings(self, start: datetime, end: datetime) -> Iterator[LoggedTimings]:
        """Yield the timings of `requests`, in parts, without reading their content."""
        columns = "CASE WHEN error IS NULL THEN latency_ms END, error"
        for at, _, (latency, error) in self._columns(columns, "at", start, end):
            yield LoggedTimings(at, latency, [1 if one is None else rejected_rows(one) for one in error])

    def usage(self, start: datetime, end: datetime) -> list[Usage]:
        """Return the usage of the service's processes in a window (`start` inclusive, `end` exclusive), in its order."""
        window = (to_micros(start), to_micros(end))
        return list(self._read(Usage, "at >= ? AND at < ?", window, "ORDER BY at, number", slow=True))

    def chunks(self, start: datetime | None = None, end: datetime | None = None) -> Iterator[list[Record]]:
        """Yield the records made in a window, in the order of their ids, in chunks of bounded size."""
        low, high = (-(2**62) if start is None else to_micros(start)), (2**62 if end is None else to_micros(end))
        last = ""
        # "+at" cannot use the index of `at`, with which all remaining rows would be sorted by id for each chunk.
        window = "id > ? AND +at >= ? AND +at < ?"
        order = f"ORDER BY id LIMIT {_ROWS}"
        while chunk := list(self._read(Record, window, (last, low, high), order, slow=True)):
            yield chunk
            last = chunk[-1].id

    def counts(self, start: datetime, end: datetime) -> tuple[int, ...]:
        """Count a window's records by event time and by time of prediction, batch runs and usage; and number all labels.

        The number of all labels is that of the last one: other labels are not read, and it does not fall when they are deleted.
        """
        window, (where, scope) = (to_micros(start), to_micros(end)), self._where(Label, "")
        last = self._fetched(self._query(f"SELECT number FROM {{}}labels {where} ORDER BY number DESC LIMIT 1"), scope)
        return (
            self._scalar(Record, "count(*)", "event_time >= ? AND event_time < ?", window),
            self._scalar(Record, "count(*)", "at >= ? AND at < ?", window),
            self._scalar(BatchRun, "count(*)", "last_event >= ? AND first_event < ?", window),
            self._scalar(Usage, "count(*)", "at >= ? AND at < ?", window),
            last[0][0] if last else 0,
        )

    def last_event(self, before: datetime | None = None) -> datetime | None:
        """Return the latest event time of a prediction, or None.

        Parameters
        ----------
        before
            Count only records, and whole batch runs, with events before this time.
        """
        limit = (2**62 if before is None else to_micros(before),)
        latest = (
            self._scalar(Record, "max(event_time)", "event_time < ?", limit),
            self._scalar(BatchRun, "max(last_event)", "last_event < ?", limit),
        )
        times = [time for time in latest if time is not None]
        return from_micros(max(times)) if times else None

    def known(self, ids: Iterable[str]) -> set[str]:
        """Return the ids that are in the log, with a prediction."""
        where, scope = self._where(Record, "id = ? AND outputs IS NOT NULL")
        query = self._query(f"SELECT 1 FROM {{}}records {where}")
        with self.database.connected("read") as connection:
            return {id for id in ids if connection.execute(query, (id, *scope)).fetchone()}

    def known_keys(self, keys: Iterable[str]) -> set[str]:
        """Return those of the key columns that a record has."""
        found = self._matching(Record, "keys", keys, "keys")
        return {row[0] for row in found}

    def labels_of(self, ids: Iterable[str], keys: Iterable[str]) -> list[Label]:
        """Return all labels of these prediction ids and key columns, in the order in which they were reported."""
        columns, names = f"number, {', '.join(COLUMNS[Label])}", {"prediction_id": ids, "keys": keys}
        rows = [row for name, values in names.items() for row in self._matching(Label, name, values, columns)]
        return [entry_of(Label, row[1:]) for row in sorted(rows, key=itemgetter(0))]

    def labels_by_id(self, ids: Iterable[str]) -> LoggedLabels:
        """Return the columns of all labels of these prediction ids."""
        return self._label_columns("prediction_id", ids)

    def labels_by_keys(self, keys: Iterable[str]) -> LoggedLabels:
        """Return the columns of all labels of these key columns."""
        return self._label_columns("keys", keys)

    def _label_columns(self, column: str, values: Iterable[str]) -> LoggedLabels:
        # Few logs have labels of both kinds.
        if not self._fetched(self._query(f"SELECT 1 FROM {{}}labels WHERE {column} IS NOT NULL LIMIT 1"), ()):
            return LoggedLabels((), (), (), ())
        rows = self._matching(Label, column, values, f"number, label, {column}, time")
        return LoggedLabels(*zip(*rows, strict=True)) if rows else LoggedLabels((), (), (), ())

    def prune(self, before: datetime) -> int:
        """Delete older predictions, batch runs and labels, and return their space to the disk. Return their number."""
        deleted = 0
        for store in self.database.stores():
            with store.deleting():
                deleted += prune_entries(store, self._where, to_micros(before))
                store.shrink()
        if self.folder is not None:
            whole = copy(self)
            whole.model = None
            remove_indexes(self.folder, {run.output_digest for run in whole.batches()})
        return deleted

    def forget(self, is_theirs: Callable[[Mapping[str, Any]], bool]) -> int:
        """Delete a person's records, rejected ones included, and their labels.

        Parameters
        ----------
        is_theirs
            Returns whether a row of inputs or key columns belongs to the person.

        Returns
        -------
        The number of deleted records.
        """
        deleted = 0
        for store in self.database.stores():
            with store.deleting():
                deleted += delete_entries(store, self._where, is_theirs)
                store.erase()
        if self.folder is not None:
            # They are created again from the outputs.
            remove_indexes(self.folder, ())
        return deleted

    def replace_file(self, path: str, digest: str, new_path: str, new_digest: str) -> None:
        """Record that nbship rewrote a file of batch runs."""
        with self.database.connected("written") as connection:
            for kind in ("input", "output"):
                changes = f"SET {kind}_path = ?, {kind}_digest = ? WHERE {kind}_path = ? AND {kind}_digest = ?"
                connection.execute(self._query(f"UPDATE {{}}batches {changes}"), (new_path, new_digest, path, digest))

    def close(self) -> None:
        """Write all queued entries and close the database."""
        self._commits.close()
        self.database.close()

    def __enter__(self) -> SqlLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _matching(self, kind: type[Any], column: str, values: Iterable[str], columns: str) -> list[tuple[Any, ...]]:
        """Return the rows in whose indexed column there is one of the values, found by several queries."""
        rest, found = iter(values), list[tuple[Any, ...]]()
        with self.database.connected("read") as connection:
            while part := list(islice(rest, _VALUES)):
                where, scope = self._where(kind, f"{column} IN ({', '.join('?' * len(part))})")
                query = self._query(f"SELECT {columns} FROM {{}}{TABLES[kind]} {where}")
                found += connection.execute(query, (*part, *scope)).fetchall()
        return found

    def _query(self, text: str) -> str:
        return text.format(self.database.prefix).replace("?", self.database.mark)

    def _where(self, kind: type[Any], condition: str, *, shadows: bool = False) -> tuple[str, tuple[str, ...]]:
        """Return a WHERE clause, restricted to this log's model, and the values to append for it."""
        conditions = [condition] if condition else []
        scope: tuple[str, ...] = ()
        if self.model is not None:
            # Labels in logs of formats 1 and 2 have no model.
            conditions.append("(model = ? OR model IS NULL)" if kind is Label else "model = ?")
            scope = (self.model,)
            if kind is Record and not shadows:
                conditions.append("role = 'served'")
        return f"WHERE {' AND '.join(conditions)}" if conditions else "", scope

    def _scalar(self, kind: type[Any], what: str, condition: str = "", values: Sequence[object] = ()) -> Any:
        where, scope = self._where(kind, condition)
        with self.database.connected("read", slow=True) as connection:
            query = self._query(f"SELECT {what} FROM {{}}{TABLES[kind]} {where}")
            return connection.execute(query, (*values, *scope)).fetchone()[0]

    def _window(self, column: str, start: datetime, end: datetime) -> Iterator[Record]:
        for _, _, found in self._columns(", ".join(COLUMNS[Record]), column, start, end):
            for row in zip(*found, strict=True):
                yield entry_of(Record, row)

    def _columns(
        self, columns: str, column: str, start: datetime, end: datetime, *, condition: str = ""
    ) -> Iterator[tuple[Sequence[int], Sequence[str], Sequence[Sequence[Any]]]]:
        """Yield an indexed column, the ids and other columns of a window's records, in their order, in parts."""
        # For example, after a part that ends with the record 'b' of 12:00, the next part starts with 'c' of 12:00.
        where, scope = self._where(Record, f"({column}, id) > (?, ?) AND {column} < ?{condition}")
        order = f"ORDER BY {column}, id LIMIT {_ROWS}"
        query = self._query(f"SELECT {column}, id, {columns} FROM {{}}records {where} {order}")
        last: tuple[int, str] = (to_micros(start), "")
        while rows := self._fetched(query, (*last, to_micros(end), *scope)):
            times, ids, *found = zip(*rows, strict=True)
            last = times[-1], ids[-1]
            yield times, ids, found

    def _read(
        self, kind: type[Any], condition: str, values: Sequence[object], tail: str = "", *, slow: bool = False
    ) -> Iterator[Any]:
        where, scope = self._where(kind, condition)
        query = self._query(f"SELECT {', '.join(COLUMNS[kind])} FROM {{}}{TABLES[kind]} {where} {tail}")
        for row in self._fetched(query, (*values, *scope), slow=slow):
            yield entry_of(kind, row)

    def _fetched(self, query: str, values: Sequence[object], *, slow: bool = True) -> list[tuple[Any, ...]]:
        with self.database.connected("read", slow=slow) as connection:
            rows: list[tuple[Any, ...]] = connection.execute(query, values).fetchall()
        return rows
