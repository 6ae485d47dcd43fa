"""Whether the service can answer: it can write its prediction log, and read its API keys.

A thread of its own checks it. Health checks of load balancers have deadlines of a second: they get the latest result,
and wait neither for requests nor for a database or disk that hangs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..errors import LogError, NbshipError, ServingError
from ..prediction_log import PredictionLog

__all__ = ["Health"]

_LOGGER = logging.getLogger(__name__)
_INTERVAL_SECONDS = 0.5
# A check waits for the transactions before it; large ones take seconds.
_MOST_SECONDS = 10.0


class Health:
    """The latest check of a service; each writes to the prediction log, as a prediction would.

    Parameters
    ----------
    require_access
        Raises ServingError if callers cannot authenticate.
    clock
        Returns seconds; for tests.
    """

    def __init__(
        self,
        log: PredictionLog,
        *,
        require_access: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log, self._require_access, self._clock = log, require_access, clock
        self._error: NbshipError | None = None
        self._checked = clock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nbship-health", daemon=True)

    def start(self) -> None:
        """Check the log for the first time, and then at intervals."""
        self._check()
        self._thread.start()

    def require(self) -> None:
        """Raise the error of the latest check, or LogError if the current one does not end."""
        silent = self._clock() - self._checked
        if silent > _MOST_SECONDS:
            raise LogError(f"The prediction log has not responded for {silent:.0f} s. Check its disk or database.")
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop checking; a check that hangs is left behind."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(_INTERVAL_SECONDS):
            self._check()

    def _check(self) -> None:
        before, self._error = self._error, self._attempt()
        self._checked = self._clock()
        # Responses with 503 give no details: this line does, once.
        if self._error is not None and before is None:
            _LOGGER.warning("No prediction is returned: %s", self._error)
        elif before is not None and self._error is None:
            _LOGGER.warning("Predictions are returned again.")

    def _attempt(self) -> NbshipError | None:
        try:
            self._log.check()
            self._require_access()
        except (LogError, ServingError) as error:
            return error
        return None
