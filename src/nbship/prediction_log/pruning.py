"""Delete old entries in parts, so that a service that writes to the log waits for milliseconds only."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from .databases import Database
from .records import Record, Usage
from .rows import TABLES

__all__ = ["KEY_INDEXES", "Pace", "prune_entries", "remove_indexes"]

# The subfolder of a log's folder with the indexes of the outputs of batch runs.
KEY_INDEXES = "batch_keys"

# A statement should hold the lock of the database for this time.
_SECONDS = 0.01
_FEWEST, _MOST = 10, 2000
# Returns a WHERE clause that is restricted to a model, and the values to append for it.
_Where: TypeAlias = "Callable[..., tuple[str, tuple[str, ...]]]"


class Pace:
    """How many rows or pages a statement changes: few at first, then as many as take about 10 ms.

    After each statement the lock stays free for as long as it was held: SQLite's lock is not fair, and a service that
    waits to write might never find it free.
    """

    def __init__(self) -> None:
        self.count = 100

    @contextmanager
    def step(self) -> Iterator[None]:
        """Measure a statement, choose the next count, and pause."""
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        fitting = int(self.count * _SECONDS / max(seconds, 1e-6))
        self.count = max(_FEWEST, min(fitting, 2 * self.count, _MOST))
        time.sleep(seconds)


def prune_entries(database: Database, where: _Where, before: int) -> int:
    """Delete the entries from before a time, in microseconds; return their number, usage not counted."""
    deleted = 0
    with database.connected("written", slow=True) as connection:
        for kind, table in TABLES.items():
            condition, scope = where(kind, "at < ?", shadows=True)
            name, key = f"{database.prefix}{table}", "id" if kind is Record else "number"
            pace, part = Pace(), 1
            while part:
                chosen = f"SELECT {key} FROM {name} {condition} ORDER BY at LIMIT {pace.count}"
                query = f"DELETE FROM {name} WHERE {key} IN ({chosen})".replace("?", database.mark)
                with pace.step():
                    part = connection.execute(query, (before, *scope)).rowcount
                deleted += part if kind is not Usage else 0
    return deleted


def remove_indexes(folder: Path, outputs: Collection[str]) -> None:
    """Delete the key indexes of all outputs but these, which are given by their digests."""
    for path in (folder / KEY_INDEXES).glob("*.npy"):
        if path.name.partition("-")[0] not in outputs:
            path.unlink(missing_ok=True)
