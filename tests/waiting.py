"""Wait for events, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

# Long enough for any event, even on a busy machine.
PATIENCE = 60.0


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds; fail after a minute."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"It did not happen in {PATIENCE:.0f} s."
        time.sleep(0.01)


@contextmanager
def in_time() -> Iterator[None]:
    """Fail if the block takes longer than a minute."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < PATIENCE, f"It took longer than {PATIENCE:.0f} s."


def is_running(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
