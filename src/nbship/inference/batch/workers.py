"""Processes that make the parts of a batch run beside each other, forked from this one: they begin with its model, loaded.

Threads would wait for each other: what NumPy does for a block of rows takes no longer than to hand over Python's lock.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import TypeAlias

__all__ = ["Workers", "can_fork"]

Make: TypeAlias = "Callable[[int, Callable[[int], None]], object]"

_PARENT_DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG


def can_fork() -> bool:
    """Tell whether this process may be forked: not while threads of its own may hold locks."""
    return sys.platform == "linux" and threading.active_count() == 1


class Workers:
    """Makes parts in processes of its own, while it is entered; what they leave undone, or in error, is simply not there.

    Parameters
    ----------
    make
        Makes a part, in a worker; is given its place, and what to tell of rows that were done.
    places
        The parts to make, in order.
    prepare
        Called first in each worker.
    count
        How many workers there are; none where there is but one part.
    told
        Called, in this process, with the number of rows that a worker tells of.
    """

    def __init__(
        self, make: Make, places: Sequence[int], *, prepare: Callable[[], None], count: int, told: Callable[[int], None]
    ) -> None:
        self._make, self._places, self._prepare, self._told = make, places, prepare, told
        self._count = min(count, len(places)) if len(places) > 1 else 0
        self._workers: dict[Connection, ForkProcess] = {}

    def __enter__(self) -> Workers:
        # Whoever looks for garbage writes to each page, and a page that a worker writes to is copied.
        gc.freeze()
        try:
            # Where no process can be made, there are fewer, or none.
            with suppress(OSError):
                for first in range(self._count):
                    self._start(first)
        finally:
            gc.unfreeze()
        return self

    def _start(self, first: int) -> None:
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        others = [receiver, *self._workers]
        worker = context.Process(target=self._work, args=(first, sender, others, os.getpid()), daemon=True)
        try:
            worker.start()
        except OSError:
            receiver.close()
            raise
        finally:
            sender.close()
        self._workers[receiver] = worker

    def wait_for(self, is_there: Callable[[], bool]) -> None:
        """Return when it is, or when no worker is left that could make it so."""
        while not is_there() and self._workers:
            for receiver in wait(list(self._workers)):
                assert isinstance(receiver, Connection)
                try:
                    self._told(receiver.recv())
                except EOFError:
                    self._end(receiver)

    def __exit__(self, *_: object) -> None:
        for receiver, worker in list(self._workers.items()):
            worker.kill()
            self._end(receiver)

    def _end(self, receiver: Connection) -> None:
        self._workers.pop(receiver).join()
        receiver.close()

    def _work(self, first: int, sender: Connection, others: Sequence[Connection], parent: int) -> None:
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            return
        # Ctrl-C is for the parent, which ends its workers.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for other in others:
            other.close()
        self._prepare()
        # What goes wrong goes wrong in the parent again, which says so.
        with suppress(Exception):
            for place in self._places[first :: self._count]:
                self._make(place, sender.send)
                sender.send(0)
