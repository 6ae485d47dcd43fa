from __future__ import annotations

import threading

import pytest
from waiting import PATIENCE

from nbship.errors import LogError
from nbship.prediction_log import GroupCommit


def durable(group):
    return [None] * len(group)


def test_items_submitted_during_a_commit_share_the_next_one() -> None:
    groups: list[list[int]] = []
    started, go = threading.Event(), threading.Event()

    def commit(group):
        groups.append(list(group))
        started.set()
        go.wait(PATIENCE)
        return durable(group)

    commits = GroupCommit(commit)
    first = commits.submit(0)
    leader = threading.Thread(target=commits.flush)
    leader.start()
    assert started.wait(PATIENCE)
    rest = [commits.submit(number) for number in range(1, 50)]
    assert not first.done
    followers = [threading.Thread(target=commits.flush) for _ in range(5)]
    for each in followers:
        each.start()
    go.set()
    for each in [leader, *followers]:
        each.join(PATIENCE)
    for pending in [first, *rest]:
        pending.check()
    assert groups == [[0], list(range(1, 50))]


def test_a_commit_has_a_maximum_size() -> None:
    sizes: list[int] = []

    def commit(group):
        sizes.append(len(group))
        return durable(group)

    commits = GroupCommit(commit, most=20)
    pending = [commits.submit(number) for number in range(50)]
    commits.flush()
    assert sizes == [20, 20, 10]
    assert all(each.done for each in pending)


def test_a_rejected_item_does_not_affect_the_others() -> None:
    commits = GroupCommit(lambda group: [ValueError("odd") if number % 2 else None for number in group])
    even, odd = commits.submit(2), commits.submit(3)
    commits.flush()
    even.check()
    with pytest.raises(ValueError, match="odd"):
        odd.check()


def test_a_failed_commit_fails_all_its_items_and_the_next_commit_is_tried() -> None:
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


def test_an_interrupted_commit_fails_its_items() -> None:
    def commit(group):
        raise KeyboardInterrupt

    commits = GroupCommit(commit)
    pending = commits.submit(1)
    with pytest.raises(KeyboardInterrupt):
        commits.flush()
    with pytest.raises(LogError, match="interrupted"):
        pending.check()


def test_a_closed_group_commit_accepts_no_items() -> None:
    commits = GroupCommit(durable)
    last = commits.submit(0)
    commits.close()
    last.check()
    with pytest.raises(LogError, match="closed"):
        commits.submit(1)


def test_items_that_would_have_to_wait_stay_queued_in_order() -> None:
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
    assert commits.try_flush(), "The queue is empty."


def test_try_flush_does_not_wait_for_another_writer() -> None:
    writing, go = threading.Event(), threading.Event()

    def commit(group):
        writing.set()
        go.wait(PATIENCE)
        return durable(group)

    commits = GroupCommit(commit, try_commit=durable)
    commits.submit(1)
    writer = threading.Thread(target=commits.flush)
    writer.start()
    assert writing.wait(PATIENCE)
    waiting = commits.submit(2)
    assert not commits.try_flush()
    go.set()
    writer.join(PATIENCE)
    commits.flush()
    waiting.check()


def test_try_flush_pauses_after_two_slow_commits() -> None:
    now, seconds = [0.0], [0.01]

    def try_commit(group):
        now[0] += seconds[0]
        return durable(group)

    commits = GroupCommit(durable, try_commit=try_commit, clock=lambda: now[0])

    def flushed() -> bool:
        pending = commits.submit(1)
        done = commits.try_flush()
        commits.flush()
        pending.check()
        return done

    assert [flushed() for _ in range(4)] == [True, True, False, False]
    # It commits for 1/100 of its time: after 0.01 s it pauses for 1 s.
    now[0] += 0.9
    assert not flushed()
    now[0] += 0.2
    seconds[0] = 0.0
    assert [flushed() for _ in range(4)] == [True] * 4


def test_flush_returns_although_more_items_keep_coming() -> None:
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
