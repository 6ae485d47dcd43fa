"""Run stages side by side, each after those that it needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

__all__ = ["run_in_order"]


def run_in_order(
    upstream: Mapping[str, Collection[str]],
    work: Callable[[str], bool],
    *,
    jobs: int,
    stop: Callable[[], None] = lambda: None,
) -> None:
    """Call `work` for each stage once those before it are done; the given order is kept where it can be.

    When one fails, those at work end, and no other begins.

    Parameters
    ----------
    upstream
        Stage -> the stages that it comes after.
    work
        Tells whether all went well; called in threads.
    jobs
        How many stages are at work at a time.
    stop
        Called when this thread is interrupted: makes those at work end soon.

    Raises
    ------
    BaseException
        The first that `work` raises, once no stage is at work.
    """
    waiting, done = dict(upstream), set[str]()
    running: dict[Future[bool], str] = {}
    errors: list[BaseException] = []
    with ThreadPoolExecutor(jobs, thread_name_prefix="stage") as pool:
        try:
            while waiting or running:
                for name in _ready(waiting, done)[: jobs - len(running)]:
                    running[pool.submit(work, name)] = name
                    del waiting[name]
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    if error := future.exception():
                        errors.append(error)
                    if error or not future.result():
                        waiting.clear()
                    done.add(name)
        except BaseException:
            stop()
            raise
    if errors:
        raise errors[0]


def _ready(waiting: Mapping[str, Collection[str]], done: set[str]) -> list[str]:
    return [name for name, before in waiting.items() if done.issuperset(before)]
