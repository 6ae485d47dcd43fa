"""Worker processes for the partitions of a batch run, forked so that they share the loaded model."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import TypeAlias

from ...forks import begin_fork

__all__ = ["Workers"]

Score: TypeAlias = "Callable[[int, Callable[[int], None]], object]"


class Workers:
    """A context manager that scores partitions in worker processes.

    A partition that a worker does not finish is missing afterwards; the caller scores it.

    Parameters
    ----------
    score
        Called in a worker with the number of a partition and a function that reports rows.
    numbers
        The partitions to score, in order.
    prepare
        Called first in each worker.
    count
        The number of workers; a single partition gets none.
    report
        Called in this process with each number of rows that a worker reports.
    """

    def __init__(
        self,
        score: Score,
        numbers: Sequence[int],
        *,
        prepare: Callable[[], None],
        count: int,
        report: Callable[[int], None],
    ) -> None:
        self._score, self._numbers, self._prepare, self._report = score, numbers, prepare, report
        self._count = min(count, len(numbers)) if len(numbers) > 1 else 0
        self._workers: dict[Connection, ForkProcess] = {}

    def __enter__(self) -> Workers:
        # The garbage collector writes to every object, and each page that a worker writes to is copied.
        gc.freeze()
        try:
            # If the system allows no more processes, those that started do the work, or the caller does.
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
        """Wait until `is_there` returns true or all workers have ended."""
        while not is_there() and self._workers:
            for receiver in wait(list(self._workers)):
                assert isinstance(receiver, Connection)
                self._receive(receiver)
        # A worker reports the rows of a partition before it is there: no row is missing in the progress.
        for receiver in list(self._workers):
            while receiver in self._workers and receiver.poll():
                self._receive(receiver)

    def _receive(self, receiver: Connection) -> None:
        try:
            self._report(receiver.recv())
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
        begin_fork(parent)
        for other in others:
            other.close()
        self._prepare()
        # The parent scores a failed partition again, and raises the error.
        with suppress(Exception):
            for number in self._numbers[first :: self._count]:
                self._score(number, sender.send)
                sender.send(0)
