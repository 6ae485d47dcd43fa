"""The REST service: an ASGI application over a logged predictor."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

from ..inference import Logged, Results
from ..predictor import Predictor
from ..project import ServingSection
from .docs import Pages
from .http import (
    Access,
    HTTPError,
    Limiter,
    PendingResponse,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    as_request_error,
    error_response,
    identify,
    json_response,
    read_body,
    send_response,
    trace_headers,
)
from .lifespan import Lifespan
from .protocols import feedback, infer, invoke, lookup, metadata, predict, server_metadata
from .routes import Route, find_route

__all__ = ["Service"]

_LOGGER = logging.getLogger(__name__)
# Handing a small body to a thread costs more than the prediction itself.
_SMALL_BYTES = 16_384
_QUEUE_BYTES = 8

Handler: TypeAlias = "Callable[[Request], Response | PendingResponse]"


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

    Attributes
    ----------
    draining
        Whether the service is about to stop: it still answers requests, but reports that it is not ready.
    """

    def __init__(
        self,
        open_predictor: Callable[[], Logged],
        *,
        settings: ServingSection | None = None,
        access: Access | None = None,
        open_results: Callable[[Logged], Results] | None = None,
    ) -> None:
        self.settings = settings or ServingSection()
        self.draining = False
        self._open, self._access = open_predictor, access or Access()
        self._open_results = open_results
        self._lifespan: Lifespan | None = None
        self._limiter = Limiter(most=self.settings.queue, most_bytes=_QUEUE_BYTES * self.settings.max_bytes)
        self._pages = Pages(self.settings)
        self._handlers = self._handlers_by_name()

    def _handlers_by_name(self) -> Mapping[str, Handler]:
        limited = {"most_rows": self.settings.max_rows}

        def served(function: Callable[..., Response | PendingResponse]) -> Handler:
            return lambda request: function(request, self._served.logged, **limited)

        return {
            "predict": served(predict),
            "feedback": served(feedback),
            "results": served(self._lookup),
            "invocations": served(invoke),
            **dict.fromkeys(("infer", "infer_version"), served(infer)),
            "server": lambda _: json_response(server_metadata()),
            "live": lambda _: json_response({"live": True}),
            **dict.fromkeys(("ready", "ping", "health", "model_ready", "model_version_ready"), self._ready),
            **dict.fromkeys(("model", "model_version"), lambda _: json_response(metadata(self._served.logged))),
            "version": self._version,
            "metrics": self._metrics,
            **dict.fromkeys(("openapi", "docs"), self._page),
            "root": lambda _: Response(307, b"", "text/plain", {"Location": "docs"}),
        }

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
        self._lifespan = await Lifespan.begin(self._open, self._open_results, request_log=self.settings.request_log)

    async def stop(self) -> None:
        """Write what is pending in the log. Later requests are rejected as not ready."""
        lifespan, self._lifespan = self._lifespan, None
        if lifespan is not None:
            await lifespan.end()

    def swap(self, predictor: Predictor) -> None:
        """Use another predictor for new requests. Running requests keep theirs."""
        self._served.swap(predictor)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request = Request(scope)
        identify(request)
        lifespan = self._lifespan
        if lifespan is not None:
            lifespan.metrics.in_flight.inc()
        route, response = None, None
        try:
            route = self._find(request, scope)
            response = await self._respond(route, request, scope, receive)
        except Exception as error:
            response = self._error_response(error, request)
        finally:
            if lifespan is not None:
                lifespan.metrics.in_flight.dec()
                name, status = route.label if route else "unknown", response.status if response else 499
                lifespan.metrics.note(name, status, time.perf_counter() - started, request.rows)
        version = request.version or (lifespan.version if lifespan else "")
        headers = trace_headers(request) + (((b"x-model-version", version.encode()),) if version else ())
        await send_response(response, send, headers=headers, body=request.method != "HEAD")
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

    async def _respond(self, route: Route, request: Request, scope: Scope, receive: Receive) -> Response:
        request.caller = self._access.admit(request, scope, route.role)
        if request.method != "POST":
            return await self._dispatch(route, request, scope, immediate=route.immediate)
        settings, held = self.settings, 0
        self._limiter.enter()
        try:
            body = await read_body(request, receive, most=settings.max_bytes, seconds=settings.receive_seconds)
            self._limiter.hold(len(body))
            request.body, held = body, len(body)
            return await self._dispatch(route, request, scope, immediate=self._is_light(route, request))
        finally:
            self._limiter.leave(held)

    def _is_light(self, route: Route, request: Request) -> bool:
        return self._lifespan is None or (
            self._lifespan.quick and route.role == "predict" and len(request.body) <= _SMALL_BYTES
        )

    async def _dispatch(self, route: Route, request: Request, scope: Scope, *, immediate: bool) -> Response:
        lifespan = self._lifespan
        if immediate or lifespan is None:
            reply = self._handlers[route.name](request)
            if isinstance(reply, PendingResponse):
                if lifespan is not None:
                    tasks = scope.get("active_tasks")
                    alone = tasks is not None and len(tasks) <= 1
                    await lifespan.group_commit.wait(reply.pending.commit, alone=alone)
                reply = reply.write()
            return reply
        lifespan.metrics.queued.inc()
        try:
            await lifespan.threads.acquire()
        finally:
            lifespan.metrics.queued.dec()
        try:
            # Large responses are encoded in the thread too, so that they do not delay small ones in the loop.
            return await asyncio.to_thread(_respond_in_thread, self._handlers[route.name], request)
        finally:
            lifespan.threads.release()

    def _find(self, request: Request, scope: Scope) -> Route:
        path, port = request.path, self.settings.probes_port
        found = find_route(path)
        if found is None or (port and found[0].probe != (scope.get("server", (None, None))[1] == port)):
            raise HTTPError("not_found", f"The path '{_shown(path)}' does not exist. See /docs for the API.")
        route, model = found
        if "version" in model:
            self._check_served(model["version"], self._served.version, "Version")
        if "name" in model:
            self._check_served(model["name"], self._served.logged.package.id.name, "Model")
        if request.method != route.method and not (request.method == "HEAD" and route.method == "GET"):
            message = f"'{_shown(path)}' accepts {route.method}, not {_shown(request.method)}. Send the request with {route.method}."
            raise HTTPError("method_not_allowed", message, headers={"Allow": route.method})
        return route

    def _check_served(self, requested: str, served: str, what: str) -> None:
        if requested != served:
            raise HTTPError("not_found", f"{what} '{_shown(requested)}' is not served here. Use '{served}'.")

    @property
    def _served(self) -> Lifespan:
        if self._lifespan is None:
            raise HTTPError("not_ready", "No model is loaded. Try again in a moment.")
        return self._lifespan

    def _lookup(self, request: Request, served: Logged, *, most_rows: int) -> Response:
        return lookup(request, served, most_rows=most_rows, results=self._served.results)

    def _ready(self, _: Request) -> Response:
        served = self._served
        if self.draining:
            raise HTTPError("not_ready", "The service is shutting down. Send the request to another instance.")
        served.logged.log.check()
        return json_response({"ready": True})

    def _version(self, _: Request) -> Response:
        model = self._served.logged.package.id
        return json_response({"model": model.name, "version": model.version})

    def _metrics(self, _: Request) -> Response:
        from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

        return Response(200, self._served.metrics.text(), CONTENT_TYPE_PLAIN_0_0_4)

    def _page(self, request: Request) -> Response:
        return self._pages.page(request.path, self._served.logged)


def _respond_in_thread(handler: Handler, request: Request) -> Response:
    reply = handler(request)
    if isinstance(reply, PendingResponse):
        reply.pending.by.log.flush()
        return reply.write()
    return reply


def _shown(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
