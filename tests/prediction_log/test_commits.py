from __future__ import annotations

import threading
import time

import pytest

from nbship.errors import LogError
from nbship.prediction_log import GroupCommit


def durable(group):
    return [None] * len(group)


def test_waiting_submissions_share_one_commit() -> None:
    groups: list[list[int]] = []
    started, go = threading.Event(), threading.Event()

    def commit(group):
        groups.append(list(group))
        started.set()
        go.wait(5)
        return durable(group)

    commits = GroupCommit(commit)
    first = commits.submit(0)
    leader = threading.Thread(target=commits.flush)
    leader.start()
    assert started.wait(5)
    rest = [commits.submit(number) for number in range(1, 50)]
    assert not first.done
    followers = [threading.Thread(target=commits.flush) for _ in range(5)]
    for each in followers:
        each.start()
    go.set()
    for each in [leader, *followers]:
        each.join(5)
    for submission in [first, *rest]:
        submission.check()
    assert groups == [[0], list(range(1, 50))]


def test_no_more_than_so_many_share_it() -> None:
    sizes: list[int] = []

    def commit(group):
        sizes.append(len(group))
        return durable(group)

    commits = GroupCommit(commit, most=20)
    submissions = [commits.submit(number) for number in range(50)]
    commits.flush()
    assert sizes == [20, 20, 10]
    assert all(each.done for each in submissions)


def test_one_refused_submission_leaves_the_others() -> None:
    commits = GroupCommit(lambda group: [ValueError("odd") if number % 2 else None for number in group])
    even, odd = commits.submit(2), commits.submit(3)
    commits.flush()
    even.check()
    with pytest.raises(ValueError, match="odd"):
        odd.check()


def test_a_failed_commit_fails_every_submission_and_the_next_one_is_tried_again() -> None:
    broken = [True]

    def commit(group):
        if broken[0]:
            raise OSError("disk full")
        return durable(group)

    commits = GroupCommit(commit)
    first = commits.submit(1)
    commits.flush()
    with pytest.raises(OSError, match="disk full"):
        first.check()
    broken[0] = False
    second = commits.submit(2)
    commits.flush()
    second.check()


def test_an_interrupted_commit_leaves_nobody_waiting() -> None:
    def commit(group):
        raise KeyboardInterrupt

    commits = GroupCommit(commit)
    submission = commits.submit(1)
    with pytest.raises(KeyboardInterrupt):
        commits.flush()
    with pytest.raises(LogError, match="interrupted"):
        submission.check()


def test_a_closed_log_refuses() -> None:
    commits = GroupCommit(durable)
    last = commits.submit(0)
    commits.close()
    last.check()
    with pytest.raises(LogError, match="closed"):
        commits.submit(1)


def test_what_would_have_to_wait_is_left_in_order() -> None:
    written: list[int] = []

    def commit(group):
        written.extend(group)
        return durable(group)

    commits = GroupCommit(commit, try_commit=lambda group: None)
    first, second = commits.submit(1), commits.submit(2)
    assert not commits.try_flush()
    assert not first.done
    third = commits.submit(3)
    commits.flush()
    assert written == [1, 2, 3]
    assert first.done
    assert second.done
    assert third.done
    assert commits.try_flush(), "Nothing waits."


def test_nobody_who_is_in_a_hurry_waits_for_a_writer() -> None:
    writing, go = threading.Event(), threading.Event()

    def commit(group):
        writing.set()
        go.wait(5)
        return durable(group)

    commits = GroupCommit(commit, try_commit=durable)
    commits.submit(1)
    writer = threading.Thread(target=commits.flush)
    writer.start()
    assert writing.wait(5)
    waiting = commits.submit(2)
    assert not commits.try_flush()
    go.set()
    writer.join(5)
    commits.flush()
    waiting.check()


def test_a_slow_disk_is_left_to_threads_for_a_while() -> None:
    seconds = [0.01]

    def try_commit(group):
        time.sleep(seconds[0])
        return durable(group)

    commits = GroupCommit(durable, try_commit=try_commit)

    def settled_now() -> bool:
        submission = commits.submit(1)
        done = commits.try_flush()
        commits.flush()
        submission.check()
        return done

    # Once may be chance.
    assert [settled_now() for _ in range(4)] == [True, True, False, False]
    seconds[0] = 0.0
    time.sleep(1.5)
    assert [settled_now() for _ in range(4)] == [True] * 4


def test_who_settles_does_not_write_for_others_without_an_end() -> None:
    written: list[int] = []

    def commit(group):
        written.extend(group)
        commits.submit(len(written))
        return durable(group)

    commits = GroupCommit(commit)
    first = commits.submit(0)
    commits.flush()
    first.check()
    assert written == [0]
