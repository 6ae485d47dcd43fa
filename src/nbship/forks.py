"""Work beside this process, in forks of it, which share what it has loaded.

Threads would wait for each other: NumPy needs no longer for a block of rows than Python needs to hand over the GIL.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TypeVar

__all__ = ["begin_fork", "can_fork", "forked"]

_Item = TypeVar("_Item")

_PARENT_DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG


def can_fork() -> bool:
    """Return whether this process may be forked: not while other threads may hold locks."""
    return sys.platform == "linux" and threading.active_count() == 1


def begin_fork(parent: int) -> None:
    """In a fork: end with the parent, and leave Ctrl-C to it."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def forked(items: Callable[[], Iterable[_Item]]) -> Iterator[Iterator[_Item]]:
    """Yield the items of an iterable that a fork of this process iterates over, one or two ahead.

    A process that cannot be forked iterates over them itself. The fork ends with the block.

    Parameters
    ----------
    items
        Called in the fork. An exception is raised in this process, after the items before it.

    Raises
    ------
    ChildProcessError
        If the fork is killed.

    Examples
    --------
    >>> with forked(lambda: (number * number for number in range(4))) as squares:
    ...     list(squares)
    [0, 1, 4, 9]
    """
    if not can_fork():
        yield iter(items())
        return
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    fork = context.Process(target=_send_items, args=(items, receiver, sender, os.getpid()), daemon=True)
    try:
        fork.start()
    except OSError:  # the system allows no more processes
        sender.close()
        receiver.close()
        yield iter(items())
        return
    sender.close()
    try:
        yield _received(receiver, fork)
    finally:
        fork.kill()
        fork.join()
        receiver.close()


def _received(receiver: Connection, fork: multiprocessing.context.ForkProcess) -> Iterator[_Item]:
    while True:
        try:
            message = receiver.recv()
        except EOFError:
            fork.join()
            raise ChildProcessError(
                f"A process of this command ended with {_ending(fork.exitcode or 0)}. Check whether memory ran out, and run it again."
            ) from None
        if message is None:
            return
        item, error = message
        if error is not None:
            raise error
        yield item


def _ending(status: int) -> str:
    return f"signal {-status} ({signal.Signals(-status).name})" if status < 0 else f"status {status}"


def _send_items(items: Callable[[], Iterable[object]], receiver: Connection, sender: Connection, parent: int) -> None:
    begin_fork(parent)
    receiver.close()
    try:
        for item in items():
            sender.send((item, None))
        sender.send(None)
    except BrokenPipeError:
        return
    except Exception as error:
        sender.send((None, _portable(error)))


def _portable(error: Exception) -> Exception:
    """Return an error that can be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # of any library
        return RuntimeError("".join(traceback.format_exception(error)).strip())
    return error
