"""What a service has between its start and its stop: a model, a log, measures, lines, threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..inference import Logged, Results
from ..predictor import Predictor
from .http import Landing, Measures, RequestLines

__all__ = ["Life"]

_THREADS = 4
_SAMPLE_SECONDS = 5.0


@dataclass
class Life:
    """A service's parts while it answers.

    Attributes
    ----------
    threads
        Lets as many requests into threads at a time as there is any use in.
    quick
        Whether a few rows are answered in microseconds, and need no thread.
    version
        Of the model that is shown to people: of every response that is not a prediction.
    """

    logged: Logged
    results: Results | None
    measures: Measures
    lines: RequestLines | None
    landing: Landing
    threads: asyncio.Semaphore
    sampling: asyncio.Task[None]
    quick: bool
    version: str

    @classmethod
    async def begin(
        cls, open_predictor: Callable[[], Logged], open_results: Callable[[Logged], Results] | None, *, lines: bool
    ) -> Life:
        """Load the model, open the log, and what goes with them."""
        logged = await asyncio.to_thread(open_predictor)
        results = None if open_results is None else await asyncio.to_thread(open_results, logged)
        loop = asyncio.get_running_loop()
        measures = Measures(logged.models)
        return cls(
            logged,
            results,
            measures,
            RequestLines() if lines else None,
            Landing(logged.log, loop),
            asyncio.Semaphore(_THREADS),
            loop.create_task(_sample(measures)),
            quick=logged.quick,
            version=logged.package.id.version,
        )

    def swap(self, predictor: Predictor) -> None:
        """Let another predictor answer the requests that come from now on."""
        self.logged = replace(self.logged, predictor=predictor)
        self.version, self.quick = self.logged.package.id.version, predictor.quick
        self.measures.serve(predictor.models)

    async def end(self) -> None:
        """Write what waits in the log and of the lines."""
        self.sampling.cancel()
        await asyncio.to_thread(self.logged.log.close)
        if self.results is not None:
            self.results.close()
        if self.lines is not None:
            self.lines.close()


async def _sample(measures: Measures) -> None:
    while True:
        await asyncio.sleep(_SAMPLE_SECONDS)
        measures.sample()
