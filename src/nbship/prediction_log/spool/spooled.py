"""A database with a spool: local files that store entries while the database is unavailable.

It lies in the state folder::

    predictions.spool/spool.json     the number of the spool, and the database's salt for pseudonyms
    predictions.spool/*.jsonl        entries to forward: see `segments`
    predictions.spool.sqlite         entries that the database rejected, and those of earlier versions of nbship

Recovery writes nothing to the disk, which the spool may have filled.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from itertools import chain, islice
from pathlib import Path

from ...errors import LogError
from ..databases import Connection, Database, Primary
from ..rows import Entry
from .identity import read_identity, store_salt
from .rejected import RejectedEntries
from .segments import Segments

__all__ = ["WRITE_SECONDS", "Spooled"]

_LOGGER = logging.getLogger(__name__)
# After this time without a response from the database, entries are spooled.
WRITE_SECONDS = 1.5
_QUICK_SECONDS, _SLOW_SECONDS = 5.0, 600.0
_INTERVAL_SECONDS, _POLL_SECONDS = 1.0, 0.05
_FORWARD_ROWS = 1000


class Spooled:
    """A database whose writes go to a spool while it is unavailable, so that every acknowledged entry is on disk.

    Spooled entries are forwarded in the background, and before every read. An entry is written once, even if the
    process dies between forwarding it and deleting it from the spool, or the outcome of its first write is unknown.

    Parameters
    ----------
    open_primary
        Connects to the database, given the number of the spool; called again until it succeeds.
    spool
        The file of rejected entries; the folder of the spool has the same name without its suffix.
    """

    def __init__(self, open_primary: Callable[[int], Primary], spool: Path) -> None:
        self._open = open_primary
        self._segments = Segments(spool.with_suffix(""))
        self._identity_path = spool.with_suffix("") / "spool.json"
        self._identity = read_identity(self._identity_path, spool)
        self._rejected = RejectedEntries(spool)
        self._primary: Primary | None = None
        self._down = self._forwarding = False
        self._reason = ""
        # Segments whose rejected entries could not be stored elsewhere.
        self._kept: set[Path] = set()
        self._lock = threading.RLock()
        self._closed = threading.Event()
        try:
            self._reach()
        except LogError as error:
            # Without the database's salt, pseudonyms would not match the ones in the database.
            if self._identity.salt is None:
                raise
            self._use_spool(error)
        self._thread = threading.Thread(target=self._run, name="nbship-spool", daemon=True)
        self._thread.start()

    def __str__(self) -> str:
        return str(self._primary or self._segments)

    @property
    def mark(self) -> str:
        """The placeholder of a value in a query."""
        return self._reach().mark

    @property
    def prefix(self) -> str:
        """The prefix of the table names."""
        return self._reach().prefix

    @property
    def salt(self) -> bytes:
        """The database's salt for pseudonyms, of which the spool has a copy."""
        stored = self._identity.salt
        return self._reach().salt if stored is None else stored

    def write(self, group: Sequence[Sequence[Entry]]) -> Sequence[Exception | None]:
        """Write to the database, or to the spool while the database is unavailable."""
        # Forwarding uses the same connection, and may take long.
        if not (self._down or self._forwarding) and self._lock.acquire(timeout=WRITE_SECONDS):
            try:
                return self._reach().write(group)
            except LogError as error:
                self._use_spool(error)
            finally:
                self._lock.release()
        return self._segments.append(group)

    def try_write(self, group: Sequence[Sequence[Entry]]) -> None:
        """Return None: writing to a server always waits for it."""

    @contextmanager
    def connected(self, action: str, *, slow: bool = False) -> Iterator[Connection]:
        """Forward spooled entries, then yield a connection to the database."""
        self.forward(patience=_SLOW_SECONDS if slow else _QUICK_SECONDS)
        with self._reach().connected(action, slow=slow) as connection:
            yield connection

    def stores(self) -> Sequence[Database]:
        """Forward spooled entries, then return the database, and the file with what the database rejected."""
        self._kept.clear()
        self.forward(patience=_SLOW_SECONDS)
        if self._kept:
            raise self._busy()
        return [self._reach(), *self._rejected.stores()]

    def deleting(self) -> AbstractContextManager[None]:
        """Return a context that does nothing: deleting is a matter of both parts."""
        return nullcontext()

    def erase(self) -> None:
        """Remove the bytes of deleted entries from both."""
        for store in self.stores():
            store.erase()

    def shrink(self) -> None:
        """Return the space of deleted entries to the disk, in both."""
        for store in self.stores():
            store.shrink()

    def forward(self, *, patience: float = _QUICK_SECONDS, others: bool = True) -> None:
        """Move spooled entries to the database.

        Parameters
        ----------
        patience
            The maximum number of seconds to wait for other threads and processes that forward entries.
        others
            Whether to wait for segments to which other processes append: these forward them themselves.

        Raises
        ------
        LogError
            If the database is still unavailable, or forwarding takes longer.
        """
        end = time.monotonic() + patience
        if not self._lock.acquire(timeout=patience):
            raise self._busy()
        try:
            primary = self._reach()
            self._rejected.retry(primary)
            for path in self._segments.paths():
                # Writers must not wait until all entries are forwarded.
                self._forwarding = path not in self._kept
                while self._forwarding and not self._forward(path, primary) and others:
                    if time.monotonic() > end:
                        raise self._busy()
                    time.sleep(_POLL_SECONDS)
            if self._down:
                # This shows that the database can be written, and opens the connection of the next write.
                primary.write_once([])
                _LOGGER.warning(
                    "The prediction log '%s' is available again. All spooled entries were written to it.", primary
                )
            self._down = False
        finally:
            self._forwarding = False
            self._lock.release()

    def close(self) -> None:
        """Forward spooled entries if the database is available, and close both."""
        self._closed.set()
        self._thread.join(WRITE_SECONDS)
        # What is spooled is safe, and forwarded after the next start: an unavailable database must not delay a stop.
        if not self._down and not self._thread.is_alive():
            with suppress(LogError):
                self.forward(patience=WRITE_SECONDS, others=False)
        if self._primary is not None:
            self._primary.close()
        self._segments.close()

    def _reach(self) -> Primary:
        with self._lock:
            if self._primary is None:
                self._primary = self._open(self._identity.number)
                self._identity = store_salt(self._identity_path, self._identity, self._primary.salt)
            return self._primary

    def _forward(self, path: Path, primary: Primary) -> bool:
        """Move the entries of a segment to the database; return False if another process appends to it."""
        with self._segments.taken(path) as taken:
            if not taken:
                return not path.exists()
            rejected: list[Entry] = []
            for part in _parts(self._segments.read(path)):
                outcomes = primary.write_once(part)
                rejected += [entry for entry, error in zip(part, outcomes, strict=True) if error is not None]
            # After a crash before the segment is deleted, `write_once` skips the entries that the database has.
            if not rejected or self._rejected.add(rejected):
                path.unlink(missing_ok=True)
            else:
                self._kept.add(path)
            return True

    def _busy(self) -> LogError:
        if self._down:
            # Another thread waits for the database.
            return LogError(self._reason)
        return LogError(
            f"The prediction log '{self}' cannot be read: entries of the spool '{self._segments}' are still being written to it. Try again in a minute."
        )

    def _use_spool(self, error: LogError) -> None:
        self._down, self._reason = True, str(error)
        _LOGGER.warning("%s Predictions are stored in '%s' until it is available again.", error, self._segments)

    def _run(self) -> None:
        while not self._closed.wait(_INTERVAL_SECONDS):
            with suppress(LogError):
                if self._down or self._rejected.pending or self._segments.exist():
                    self.forward(others=False)


def _parts(lists: Iterable[Sequence[Entry]]) -> Iterator[list[Entry]]:
    entries = chain.from_iterable(lists)
    while part := list(islice(entries, _FORWARD_ROWS)):
        yield part
