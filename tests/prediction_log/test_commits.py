from __future__ import annotations

import threading

import pytest

from nbship.errors import LogError
from nbship.prediction_log import GroupCommit


def test_waiting_submissions_share_one_commit() -> None:
    groups: list[list[int]] = []
    started, go = threading.Event(), threading.Event()

    def commit(group):
        groups.append(list(group))
        started.set()
        go.wait(5)
        return [None] * len(group)

    commits = GroupCommit(commit)
    first = commits.submit(0)
    assert started.wait(5)
    rest = [commits.submit(number) for number in range(1, 50)]
    assert not first.done()
    go.set()
    for future in [first, *rest]:
        future.result(5)
    commits.close()
    assert groups == [[0], list(range(1, 50))]


def test_one_refused_submission_leaves_the_others() -> None:
    commits = GroupCommit(lambda group: [ValueError("odd") if number % 2 else None for number in group])
    even, odd = commits.submit(2), commits.submit(3)
    assert even.result(5) is None
    with pytest.raises(ValueError, match="odd"):
        odd.result(5)
    commits.close()


def test_a_failed_commit_fails_every_submission_and_the_next_one_is_tried_again() -> None:
    broken = [True]

    def commit(group):
        if broken[0]:
            raise OSError("disk full")
        return [None] * len(group)

    commits = GroupCommit(commit)
    with pytest.raises(OSError, match="disk full"):
        commits.submit(1).result(5)
    broken[0] = False
    commits.submit(2).result(5)
    commits.close()


def test_a_closed_log_refuses() -> None:
    commits = GroupCommit(lambda group: [None] * len(group))
    commits.close()
    with pytest.raises(LogError, match="closed"):
        commits.submit(1)
