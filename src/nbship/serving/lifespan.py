"""The parts of a service from start to stop: the model, the prediction log, metrics, the request log, threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from ..inference import Logged, ReleaseFollower, Results
from ..predictor import Predictor
from .following import follow
from .health import Health
from .http import GroupCommit, HTTPError, RequestLog, ServiceMetrics
from .usage import record_usage

__all__ = ["Lifespan"]

_THREADS = 4
# Large requests to a quick model hold the interpreter lock nearly all the time. Several at once are no faster, and a
# single row would wait for all of their threads, each time that it needs the lock.
_QUICK_THREADS = 1
# Intervals at which requests are counted, and the memory is measured.
_COUNT_SECONDS, _SAMPLE_SECONDS = 0.1, 5.0


@dataclass
class Lifespan:
    """The parts of a running service.

    Attributes
    ----------
    threads, predict_threads
        Limit the requests that run in threads at the same time; predictions of a quick model have a limit of their own.
    pages
        The thread for metrics and documentation, which wait for no request.
    health
        Whether the log can be written.
    quick
        Whether a few rows take microseconds, so that a prediction needs no thread.
    version
        The model version in the headers of responses that are not predictions.
    stopped
        Why no predictions are made; empty: they are.
    following
        The task that follows a release file; None without one.
    """

    logged: Logged
    results: Results | None
    metrics: ServiceMetrics
    request_log: RequestLog | None
    group_commit: GroupCommit
    threads: asyncio.Semaphore
    predict_threads: asyncio.Semaphore
    pages: ThreadPoolExecutor
    health: Health
    sampling: asyncio.Task[None]
    recording: asyncio.Task[None]
    quick: bool
    version: str
    stopped: str = ""
    following: asyncio.Task[None] | None = None

    @classmethod
    async def begin(
        cls,
        open_predictor: Callable[[], Logged],
        open_results: Callable[[Logged], Results] | None,
        *,
        request_log: bool,
        require_access: Callable[[], object],
        follower: ReleaseFollower | None = None,
    ) -> Lifespan:
        """Load the model, and open the prediction log, the results and the request log."""
        logged = await asyncio.to_thread(open_predictor)
        results = None if open_results is None else await asyncio.to_thread(open_results, logged)
        loop = asyncio.get_running_loop()
        health = Health(logged.log, require_access=require_access)
        await asyncio.to_thread(health.start)
        metrics = ServiceMetrics(logged.models)
        found = cls(
            logged,
            results,
            metrics,
            RequestLog() if request_log else None,
            GroupCommit(logged.log, loop),
            asyncio.Semaphore(_THREADS),
            asyncio.Semaphore(_QUICK_THREADS),
            ThreadPoolExecutor(1, thread_name_prefix="nbship-pages"),
            health,
            loop.create_task(_sample(metrics)),
            loop.create_task(record_usage(logged.log, logged.package.id.name)),
            quick=logged.quick,
            version=logged.package.id.version,
        )
        if follower is not None:
            found.stopped = follower.release.stopped if follower.release else ""
            found.following = loop.create_task(follow(found, follower))
        return found

    def swap(self, predictor: Predictor) -> None:
        """Use another predictor for new requests."""
        self.logged = replace(self.logged, predictor=predictor)
        self.version, self.quick = self.logged.package.id.version, predictor.quick
        self.metrics.serve(predictor.models)

    def require_active(self) -> None:
        """Raise HTTPError if predictions are stopped."""
        if self.stopped:
            raise HTTPError("deactivated", f"The model makes no predictions at present: {self.stopped}")

    async def end(self) -> None:
        """Write the pending entries of the prediction log and the request log, and close both."""
        self.sampling.cancel()
        self.recording.cancel()
        if self.following is not None:
            self.following.cancel()
        self.health.close()
        self.pages.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self.logged.log.close)
        if self.results is not None:
            self.results.close()
        if self.request_log is not None:
            self.request_log.close()


async def _sample(metrics: ServiceMetrics) -> None:
    while True:
        for _ in range(round(_SAMPLE_SECONDS / _COUNT_SECONDS)):
            await asyncio.sleep(_COUNT_SECONDS)
            metrics.count()
        metrics.sample()
