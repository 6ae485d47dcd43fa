"""Metrics of the service for Prometheus, summed over its workers."""

from __future__ import annotations

import os
import resource
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from ...predictor import ModelId

__all__ = ["FOLDER", "ServiceMetrics", "forget_worker", "resident_bytes"]

# The environment variable with the folder that the workers share, as prometheus_client names it.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
# Requests that are counted together.
_NOTED = 256
_ROWS = (1, 10, 100, 1_000, 10_000, 100_000)


class ServiceMetrics:
    """Metrics of one process, reported together with those of the other workers.

    Parameters
    ----------
    models
        The models that predict.

    Attributes
    ----------
    in_flight
        The number of requests without a response yet.
    """

    def __init__(self, models: Sequence[ModelId] = ()) -> None:
        from prometheus_client import CollectorRegistry, Gauge
        from prometheus_client import Counter as Total

        self._shared = os.environ.get(FOLDER)
        self.registry = registry = CollectorRegistry()
        self._requests = Total(
            "nbship_requests", "Requests by route and status.", ["route", "status"], registry=registry
        )
        self._seconds = _histogram(
            "nbship_request_seconds", "Seconds from the head of a request to its response.", ["route"], buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._rows = _histogram("nbship_request_rows", "Rows in a request.", buckets=_ROWS, registry=registry)
        self.in_flight = 0
        self._in_flight = Gauge(
            "nbship_requests_in_flight", "Requests without a response yet.", registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self.queued = Gauge(
            "nbship_requests_queued", "Requests that wait for a thread.", registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self._models = Gauge(
            "nbship_model_info", "The model that is served.", ["model", "version"], registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self._served: Sequence[ModelId] = ()
        self.serve(models)
        self._cpu = Total("nbship_cpu_seconds", "CPU time of all processes in seconds.", registry=registry)
        self._memory = Gauge(
            "nbship_resident_memory_bytes", "Resident memory of the running processes in bytes.", registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self._used = 0.0
        # Requests that are not counted yet: route, status, seconds and rows.
        self._noted: deque[tuple[str, int, float, int]] = deque()
        self.sample()

    def serve(self, models: Sequence[ModelId]) -> None:
        """Report these models as the served ones."""
        for model in self._served:
            self._models.labels(model.name, model.version).set(0)
        for model in models:
            self._models.labels(model.name, model.version).set(1)
        self._served = models

    def note(self, route: str, status: int, seconds: float, rows: int) -> None:
        """Note a request with its response, for `count`."""
        # Each update of a metric takes a lock, and with several workers writes to a file: do many at once.
        self._noted.append((route, status, seconds, rows))
        if len(self._noted) >= _NOTED:
            self.count()

    def count(self) -> None:
        """Count the requests that were noted."""
        # The thread of `text` and the event loop may both be here: each takes its own part.
        parts: defaultdict[str, list[tuple[str, int, float, int]]] = defaultdict(list)
        with suppress(IndexError):
            while one := self._noted.popleft():
                parts[one[0]].append(one)
        for route, noted in parts.items():
            for status, count in Counter(status for _, status, _, _ in noted).items():
                self._requests.labels(route, str(status)).inc(count)
            self._seconds.labels(route).observe_many([seconds for _, _, seconds, _ in noted])
            self._rows.observe_many([rows for _, _, _, rows in noted if rows])

    def sample(self) -> None:
        """Record what was noted, the requests in flight, and CPU time and memory of the process."""
        self.count()
        self._in_flight.set(self.in_flight)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        used = usage.ru_utime + usage.ru_stime
        self._cpu.inc(max(0.0, used - self._used))
        self._used = used
        self._memory.set(resident_bytes())

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        self.sample()
        if not self._shared:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        registry.register(_Merged(MultiProcessCollector(CollectorRegistry(), path=self._shared)))
        return generate_latest(registry)


def _histogram(*words: Any, **options: Any) -> Any:
    from prometheus_client import Histogram

    class Histograms(Histogram):
        """A histogram that several amounts are added to at once."""

        def observe_many(self, amounts: Sequence[float]) -> None:
            """Observe amounts, with one update for each bucket."""
            if amounts:
                for index, count in Counter(bisect_left(self._upper_bounds, amount) for amount in amounts).items():
                    self._buckets[index].inc(count)
                self._sum.inc(sum(amounts))

    return Histograms(*words, **options)


class _Merged:
    """The metrics in the shared folder, read while workers start and stop."""

    def __init__(self, collector: Any) -> None:
        self._collector = collector

    def collect(self) -> Iterator[Metric]:
        for _ in range(3):
            try:
                yield from list(self._collector.collect())
                return
            except FileNotFoundError:
                # A worker's file was removed between listing and reading.
                continue


def forget_worker(pid: int) -> None:
    """Remove a dead worker from the gauges; its counters stay in the sums."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
