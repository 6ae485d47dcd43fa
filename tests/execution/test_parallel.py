from __future__ import annotations

import threading

import pytest
from waiting import PATIENCE

from nbship.execution.parallel import run_in_order

GRAPH = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": []}


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_each_stage_runs_after_its_upstreams(jobs: int):
    done: list[str] = []
    together = threading.Semaphore(jobs)

    def work(name: str) -> bool:
        assert together.acquire(blocking=False)
        assert set(GRAPH[name]) <= set(done)
        done.append(name)
        together.release()
        return True

    run_in_order(GRAPH, work, jobs=jobs)
    assert sorted(done) == sorted(GRAPH)
    if jobs == 1:
        assert done == ["a", "b", "c", "d", "e"]


def test_no_stage_starts_after_a_failure():
    begun: list[str] = []
    run_in_order(GRAPH, lambda name: begun.append(name) or name != "b", jobs=1)
    assert begun == ["a", "b"]


def test_an_error_is_raised_once_all_have_ended():
    ended: list[str] = []
    begun = threading.Event()

    def work(name: str) -> bool:
        if name == "a":
            begun.wait(PATIENCE)
            raise ValueError("no")
        begun.set()
        ended.append(name)
        return True

    with pytest.raises(ValueError, match="no"):
        run_in_order({"a": [], "e": []}, work, jobs=2)
    assert ended == ["e"]


def test_an_interrupt_stops_running_stages(monkeypatch: pytest.MonkeyPatch):
    stopped = threading.Event()

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nbship.execution.parallel.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_in_order({"a": []}, lambda name: stopped.wait(PATIENCE), jobs=1, stop=stopped.set)
    assert stopped.is_set()
