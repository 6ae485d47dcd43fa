"""Run stages in parallel, each after its upstream stages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

__all__ = ["run_in_order"]


def run_in_order(
    upstream: Mapping[str, Collection[str]],
    update: Callable[[str], bool],
    *,
    jobs: int,
    stop: Callable[[], None] = lambda: None,
) -> None:
    """Call `update` for each stage after its upstream stages, in the given order where possible.

    After a failure, running stages finish and no other starts. Example: `c` comes after `a` and `b`, with two jobs.
    `a` and `b` start; `a` finishes; `c` waits for `b`. If `b` fails, `c` never starts.

    Parameters
    ----------
    upstream
        Stage -> its upstream stages.
    update
        Returns whether the stage succeeded; called in threads.
    jobs
        The maximum number of stages that run at a time.
    stop
        Called when this thread is interrupted; makes running stages end soon.

    Raises
    ------
    BaseException
        The first error of `update`, raised when no stage runs any more.
    """
    waiting, done = dict(upstream), set[str]()
    running: dict[Future[bool], str] = {}
    errors: list[BaseException] = []
    with ThreadPoolExecutor(jobs, thread_name_prefix="stage") as pool:
        try:
            while waiting or running:
                for name in _ready(waiting, done)[: jobs - len(running)]:
                    running[pool.submit(update, name)] = name
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
