from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from nbship import forks
from nbship.errors import DataError
from nbship.forks import forked


@pytest.fixture(autouse=True)
def only_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers of the test run have threads of their own, which hold no lock that matters here."""
    monkeypatch.setattr(forks, "can_fork", lambda: True)


def _numbers(count: int = 5) -> Iterator[tuple[int, int]]:
    for number in range(count):
        yield number, os.getpid()


def test_items_come_in_order_from_one_other_process() -> None:
    with forked(_numbers) as items:
        found = list(items)
    assert [number for number, _ in found] == [0, 1, 2, 3, 4]
    assert len({pid for _, pid in found} - {os.getpid()}) == 1


def test_several_forks_are_read_in_turn() -> None:
    with forked(_numbers) as one, forked(lambda: _numbers(3)) as other:
        pairs = list(zip(one, other, strict=False))
    assert [(first[0], second[0]) for first, second in pairs] == [(0, 0), (1, 1), (2, 2)]
    assert all(first[1] != second[1] for first, second in pairs)


@pytest.mark.parametrize("error", [DataError("The column 'size' is empty."), ZeroDivisionError("division by zero")])
def test_an_error_is_raised_after_the_items_before_it(error: Exception) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise error

    with forked(items) as found:
        assert next(found) == 1
        with pytest.raises(type(error), match=str(error)):
            next(found)


def test_an_error_that_cannot_be_sent_becomes_its_traceback() -> None:
    class OddError(Exception):
        def __init__(self, lock: object) -> None:
            super().__init__(lock)

    def items() -> Iterator[int]:
        raise OddError(threading.Lock())
        yield 1

    with forked(items) as found, pytest.raises(RuntimeError, match="test_forks"):
        next(found)


def test_a_killed_fork_is_an_error_that_names_the_signal() -> None:
    def items() -> Iterator[int]:
        yield 1
        os.kill(os.getpid(), signal.SIGKILL)

    with forked(items) as found:
        assert next(found) == 1
        with pytest.raises(ChildProcessError, match=r"signal 9 \(SIGKILL\)"):
            next(found)


def test_a_fork_ends_with_the_block(tmp_path: Path) -> None:
    def items() -> Iterator[int]:
        while True:
            yield os.getpid()

    with forked(items) as found:
        pid = next(found)
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)


def test_beside_threads_nothing_is_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        with forked(_numbers) as items:
            assert {pid for _, pid in items} == {os.getpid()}
    finally:
        release.set()
        thread.join()
