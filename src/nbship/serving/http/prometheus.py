"""What Prometheus sees of the service; the workers of one service are summed."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from ...predictor import ModelId

__all__ = ["FOLDER", "Measures", "forget_worker"]

# The variable in which prometheus_client finds the folder that workers share.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_ROWS = (1, 10, 100, 1_000, 10_000, 100_000)


class Measures:
    """Counters and histograms of one process, shown with those of the other workers.

    Parameters
    ----------
    models
        Those that may answer.
    """

    def __init__(self, models: Sequence[ModelId] = ()) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._shared = os.environ.get(FOLDER)
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "nbship_requests", "Requests, by route and status.", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "nbship_request_seconds", "Seconds from the request's head to its answer.", ["route"], buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._rows = Histogram(
            "nbship_request_rows", "Rows of a request that asks for predictions.", buckets=_ROWS, registry=registry
        )
        self.in_flight = Gauge(
            "nbship_requests_in_flight", "Requests that are not answered yet.", registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self.queued = Gauge(
            "nbship_requests_queued", "Requests that wait for a thread, or for the log.", registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self._models = Gauge(
            "nbship_model_info", "The model that is served.", ["model", "version"], registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self._served: Sequence[ModelId] = ()
        self.serve(models)
        self._cpu = Counter("nbship_cpu_seconds", "CPU time of the processes.", registry=registry)
        self._memory = Gauge(
            "nbship_resident_memory_bytes", "Memory of the living processes.", registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self._spent = 0.0
        self._children: dict[tuple[str, int], tuple[Any, Any]] = {}
        self.sample()

    def serve(self, models: Sequence[ModelId]) -> None:
        """Show which models may answer from now on."""
        for model in self._served:
            self._models.labels(model.name, model.version).set(0)
        for model in models:
            self._models.labels(model.name, model.version).set(1)
        self._served = models

    def note(self, route: str, status: int, seconds: float, rows: int) -> None:
        """Count a request that was answered."""
        found = self._children.get((route, status))
        if found is None:
            found = self._requests.labels(route, str(status)), self._seconds.labels(route)
            self._children[route, status] = found
        found[0].inc()
        found[1].observe(seconds)
        if rows:
            self._rows.observe(rows)

    def sample(self) -> None:
        """Take note of what the process uses."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        spent = usage.ru_utime + usage.ru_stime
        self._cpu.inc(max(0.0, spent - self._spent))
        self._spent = spent
        self._memory.set(_resident())

    def text(self) -> bytes:
        """Return all measures in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        self.sample()
        if not self._shared:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        registry.register(_Merged(MultiProcessCollector(CollectorRegistry(), path=self._shared)))
        return generate_latest(registry)


class _Merged:
    """What the workers left in their shared folder, while others come and go there."""

    def __init__(self, collector: Any) -> None:
        self._collector = collector

    def collect(self) -> Iterator[Metric]:
        for _ in range(3):
            try:
                yield from list(self._collector.collect())
                return
            except FileNotFoundError:
                # A worker ended between the listing and the reading.
                continue


def forget_worker(pid: int) -> None:
    """Take a dead worker out of what is summed over living ones; what it counted stays."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)


def _resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
