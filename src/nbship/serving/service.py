"""The REST service: an ASGI application over a logged predictor."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from ..inference import Logged, ReleaseFollower, Results, predict_together
from ..predictor import Predictor
from ..project import ServingSection
from .handlers import Handlers
from .http import (
    Access,
    Admission,
    Exchange,
    Limiter,
    Origins,
    PendingResponse,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    as_request_error,
    compressed,
    decompressed,
    error_response,
    identify,
    read_body,
    send_response,
    too_large,
    trace_headers,
)
from .lifespan import Lifespan
from .routes import Route

__all__ = ["Service"]

_LOGGER = logging.getLogger(__name__)
# Handing a small body to a thread costs more than the prediction itself.
_SMALL_BYTES = 16_384
# The queue holds the bodies of this many requests of the maximum size.
_QUEUED_BODIES = 8


class Service:
    """An ASGI application that predicts, and logs every prediction.

    Parameters
    ----------
    open_predictor
        Called when the application starts. Returns the predictor of all requests.
    settings, access
        Limits, and how callers authenticate.
    open_results
        Opens the results of a batch run, if the service offers them.
    state
        The folder with the gauges of monitoring, if there is one.
    follower
        Follows a release file, from which `open_predictor` has read its predictor.
    """

    def __init__(
        self,
        open_predictor: Callable[[], Logged],
        *,
        settings: ServingSection | None = None,
        access: Access | None = None,
        open_results: Callable[[Logged], Results] | None = None,
        state: Path | None = None,
        follower: ReleaseFollower | None = None,
    ) -> None:
        self.settings = settings or ServingSection()
        self._open, self._access = open_predictor, access or Access()
        self._open_results, self._follower = open_results, follower
        self._limiter = Limiter(most=self.settings.queue, most_bytes=_QUEUED_BODIES * self.settings.max_bytes)
        self._handlers = Handlers(self.settings, state=state)
        # An API key or a trusted proxy identifies the caller: a page that found the service knows neither.
        self._origins = Origins(self.settings, check_host=self._access.mode == "none")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:
            _LOGGER.debug("The service did not start.", exc_info=True)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def start(self) -> None:
        """Load the model and open the log."""
        self._handlers.lifespan = await Lifespan.begin(
            self._open,
            self._open_results,
            request_log=self.settings.request_log,
            require_access=self._access.require,
            follower=self._follower,
        )

    async def stop(self) -> None:
        """Write what is pending in the log. Later requests are rejected as not ready."""
        lifespan, self._handlers.lifespan = self._handlers.lifespan, None
        if lifespan is not None:
            await lifespan.end()

    def drain(self) -> None:
        """Report from now on that the service is not ready. Requests are still answered."""
        self._handlers.draining = True

    def swap(self, predictor: Predictor) -> None:
        """Use another predictor for new requests. Running requests keep theirs."""
        self._handlers.served.swap(predictor)

    def count_malformed(self, status: int) -> None:
        """Count a request that the server rejected before it reached the application."""
        if self._handlers.lifespan is not None:
            self._handlers.lifespan.metrics.note("malformed", status, 0.0, 0)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._limiter.admission() as admission:
            started = time.perf_counter()
            # It leads back to the scope: such a cycle would be left to the garbage collector.
            exchange: Exchange | None = scope.pop("exchange", None)
            request = Request(scope)
            identify(request)
            lifespan = self._handlers.lifespan
            if lifespan is not None:
                lifespan.metrics.in_flight += 1
            route, response = None, None
            try:
                request.check_headers()
                self._origins.check(request)
                route = self._handlers.find(request, scope)
                response = await self._respond(route, request, scope, receive, admission, exchange)
            except Exception as error:
                response = self._error_response(error, request)
            finally:
                if lifespan is not None:
                    lifespan.metrics.in_flight -= 1
                    name, status = route.label if route else "unknown", response.status if response else 499
                    lifespan.metrics.note(name, status, time.perf_counter() - started, request.rows)
            version = request.version or (lifespan.version if lifespan else "")
            headers = trace_headers(request) + (((b"x-model-version", version.encode()),) if version else ())
            if b"origin" in request.headers:
                headers += self._origins.header_lines(request)
            admission.send(len(response.body))
            await send_response(response, send, headers=headers, body=request.method != "HEAD", exchange=exchange)
            if lifespan is not None and lifespan.request_log is not None:
                lifespan.request_log.note(request, status=response.status, started=started, version=version)

    def _error_response(self, error: Exception, request: Request) -> Response:
        reported = as_request_error(error)
        if reported.code == "internal":
            _LOGGER.error(
                "%s %s failed (trace %s)", request.method[:16], request.path[:200], request.trace, exc_info=error
            )
        if reported.fields and request.invalid_field is None:
            request.invalid_field = reported.fields[0].field
        return error_response(reported)

    async def _respond(
        self,
        route: Route,
        request: Request,
        scope: Scope,
        receive: Receive,
        admission: Admission,
        exchange: Exchange | None,
    ) -> Response:
        if request.method == "OPTIONS":
            return self._origins.preflight(request, route.methods)
        request.caller = self._access.admit(request, scope, route.role)
        if request.method != "POST":
            return await self._dispatch(route, request, exchange, immediate=route.immediate)
        settings = self.settings
        admission.enter()
        body = None if exchange is None else exchange.take_body()
        if body is None:
            body = await read_body(request, receive, most=settings.max_bytes, seconds=settings.receive_seconds)
        elif len(body) > settings.max_bytes:
            raise too_large(settings.max_bytes)
        if b"content-encoding" in request.headers:
            body = await asyncio.to_thread(decompressed, request, body, most=settings.max_bytes)
        admission.hold(len(body))
        request.body = body
        return await self._dispatch(route, request, exchange, immediate=self._is_light(route, request))

    def _is_light(self, route: Route, request: Request) -> bool:
        lifespan = self._handlers.lifespan
        return lifespan is None or (lifespan.quick and route.role == "predict" and len(request.body) <= _SMALL_BYTES)

    async def _dispatch(
        self, route: Route, request: Request, exchange: Exchange | None, *, immediate: bool
    ) -> Response:
        lifespan = self._handlers.lifespan
        if lifespan is not None and route.role == "predict":
            lifespan.require_active()
        if immediate or lifespan is None:
            reply = self._handlers.handle(route, request)
            if isinstance(reply, PendingResponse):
                if lifespan is not None:
                    alone = exchange is not None and exchange.is_alone
                    await lifespan.group_commit.wait(reply.pending, alone=alone)
                request.version = reply.pending.version
                reply = reply.write()
            return reply
        if route.method == "GET":
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(lifespan.pages, _respond_in_thread, self._handlers, route, request)
        threads = lifespan.predict_threads if lifespan.quick and route.role == "predict" else lifespan.threads
        lifespan.metrics.queued.inc()
        try:
            await threads.acquire()
        finally:
            lifespan.metrics.queued.dec()
        try:
            # Large responses are encoded in the thread too, so that they do not delay small ones in the loop.
            return await asyncio.to_thread(_respond_in_thread, self._handlers, route, request)
        finally:
            threads.release()


def _respond_in_thread(handlers: Handlers, route: Route, request: Request) -> Response:
    reply = handlers.handle(route, request)
    if isinstance(reply, PendingResponse):
        predict_together([reply.pending])
        reply.pending.by.log.flush()
        request.version = reply.pending.version
        reply = reply.write()
    return compressed(request, reply)
