"""The REST service: a bare ASGI application over one logged predictor."""

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
    Answer,
    Gate,
    HTTPError,
    Receive,
    Request,
    Scope,
    Send,
    Waiting,
    as_request_error,
    error_answer,
    identify,
    json_answer,
    read_body,
    send_answer,
    trace_headers,
)
from .lifespan import Life
from .protocols import feedback, infer, invoke, lookup, metadata, predict, server_metadata
from .routes import Route, find_route

__all__ = ["Service"]

_LOGGER = logging.getLogger(__name__)
# A small body costs less to answer at once than to hand to a thread.
_SMALL_BYTES = 16_384
_QUEUE_BYTES = 8

Handler: TypeAlias = "Callable[[Request], Answer | Waiting]"


class Service:
    """An ASGI application that answers predictions and logs them.

    Parameters
    ----------
    open_predictor
        Called when the application starts; what it returns answers every prediction.
    settings, access
        Limits, and how callers are told apart.
    open_results
        Opens a batch run's results, where they are served.

    Attributes
    ----------
    draining
        Whether it is about to stop: it answers, and says that it is not ready.
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
        self._life: Life | None = None
        self._gate = Gate(most=self.settings.queue, most_bytes=_QUEUE_BYTES * self.settings.max_bytes)
        self._pages = Pages(self.settings)
        self._handlers = self._handlers_by_name()

    def _handlers_by_name(self) -> Mapping[str, Handler]:
        limited = {"most_rows": self.settings.max_rows}

        def served(function: Callable[..., Answer | Waiting]) -> Handler:
            return lambda request: function(request, self._served.logged, **limited)

        return {
            "predict": served(predict),
            "feedback": served(feedback),
            "results": served(self._lookup),
            "invocations": served(invoke),
            **dict.fromkeys(("infer", "infer_version"), served(infer)),
            "server": lambda _: json_answer(server_metadata()),
            "live": lambda _: json_answer({"live": True}),
            **dict.fromkeys(("ready", "ping", "health", "model_ready", "model_version_ready"), self._ready),
            **dict.fromkeys(("model", "model_version"), lambda _: json_answer(metadata(self._served.logged))),
            "version": self._version,
            "metrics": self._metrics,
            **dict.fromkeys(("openapi", "docs"), self._page),
            "root": lambda _: Answer(307, b"", "text/plain", {"Location": "docs"}),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
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
        self._life = await Life.begin(self._open, self._open_results, lines=self.settings.request_log)

    async def stop(self) -> None:
        """Write what waits in the log; nothing is answered from here on."""
        life, self._life = self._life, None
        if life is not None:
            await life.end()

    def swap(self, predictor: Predictor) -> None:
        """Let another predictor answer from now on; requests that are being answered keep theirs."""
        self._served.swap(predictor)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request = Request(scope)
        identify(request)
        life = self._life
        if life is not None:
            life.measures.in_flight.inc()
        route, answer = None, None
        try:
            route = self._find(request, scope)
            answer = await self._respond(route, request, scope, receive)
        except Exception as error:
            answer = self._refused(error, request)
        finally:
            if life is not None:
                life.measures.in_flight.dec()
                name, status = route.label if route else "unknown", answer.status if answer else 499
                life.measures.note(name, status, time.perf_counter() - started, request.rows)
        version = request.version or (life.version if life else "")
        headers = trace_headers(request) + (((b"x-model-version", version.encode()),) if version else ())
        await send_answer(answer, send, headers=headers, body=request.method != "HEAD")
        if life is not None and life.lines is not None:
            life.lines.note(request, status=answer.status, started=started, version=version)

    def _refused(self, error: Exception, request: Request) -> Answer:
        told = as_request_error(error)
        if told.code == "internal":
            _LOGGER.error(
                "%s %s failed (trace %s)", request.method[:16], request.path[:200], request.trace, exc_info=error
            )
        if told.fields and request.refused is None:
            request.refused = told.fields[0].field
        return error_answer(told)

    async def _respond(self, route: Route, request: Request, scope: Scope, receive: Receive) -> Answer:
        request.caller = self._access.admit(request, scope, route.role)
        if request.method != "POST":
            return await self._answered(route, request, scope, at_once=route.at_once)
        settings, held = self.settings, 0
        self._gate.enter()
        try:
            body = await read_body(request, receive, most=settings.max_bytes, seconds=settings.receive_seconds)
            self._gate.hold(len(body))
            request.body, held = body, len(body)
            return await self._answered(route, request, scope, at_once=self._is_light(route, request))
        finally:
            self._gate.leave(held)

    def _is_light(self, route: Route, request: Request) -> bool:
        return self._life is None or (
            self._life.quick and route.role == "predict" and len(request.body) <= _SMALL_BYTES
        )

    async def _answered(self, route: Route, request: Request, scope: Scope, *, at_once: bool) -> Answer:
        life = self._life
        if at_once or life is None:
            reply = self._handlers[route.name](request)
            if isinstance(reply, Waiting):
                if life is not None:
                    under_way = scope.get("under_way")
                    alone = under_way is not None and len(under_way) <= 1
                    await life.landing.land(reply.pending.commit, alone=alone)
                reply = reply.write()
            return reply
        life.measures.queued.inc()
        try:
            await life.threads.acquire()
        finally:
            life.measures.queued.dec()
        try:
            # Large answers are written in the thread as well: the loop is for those who wait for little.
            return await asyncio.to_thread(_whole, self._handlers[route.name], request)
        finally:
            life.threads.release()

    def _find(self, request: Request, scope: Scope) -> Route:
        path, port = request.path, self.settings.probes_port
        found = find_route(path)
        if found is None or (port and found[0].probe != (scope.get("server", (None, None))[1] == port)):
            raise HTTPError("not_found", f"There is no '{_shown(path)}' here. See /docs.")
        route, model = found
        if "version" in model:
            self._refuse_other(model["version"], self._served.version, "Version")
        if "name" in model:
            self._refuse_other(model["name"], self._served.logged.package.id.name, "Model")
        if request.method != route.method and not (request.method == "HEAD" and route.method == "GET"):
            message = f"'{_shown(path)}' takes {route.method}, not {_shown(request.method)}."
            raise HTTPError("method_not_allowed", message, headers={"Allow": route.method})
        return route

    def _refuse_other(self, asked: str, served: str, what: str) -> None:
        if asked != served:
            raise HTTPError("not_found", f"{what} '{_shown(asked)}' is not served, but '{served}'.")

    @property
    def _served(self) -> Life:
        if self._life is None:
            raise HTTPError("not_ready", "No model is loaded. Try again in a moment.")
        return self._life

    def _lookup(self, request: Request, served: Logged, *, most_rows: int) -> Answer:
        return lookup(request, served, most_rows=most_rows, results=self._served.results)

    def _ready(self, _: Request) -> Answer:
        served = self._served
        if self.draining:
            raise HTTPError("not_ready", "The service is about to stop. Ask another one.")
        served.logged.log.check()
        return json_answer({"ready": True})

    def _version(self, _: Request) -> Answer:
        model = self._served.logged.package.id
        return json_answer({"model": model.name, "version": model.version})

    def _metrics(self, _: Request) -> Answer:
        from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

        return Answer(200, self._served.measures.text(), CONTENT_TYPE_PLAIN_0_0_4)

    def _page(self, request: Request) -> Answer:
        return self._pages.page(request.path, self._served.logged)


def _whole(handler: Handler, request: Request) -> Answer:
    reply = handler(request)
    if isinstance(reply, Waiting):
        reply.pending.by.log.flush()
        return reply.write()
    return reply


def _shown(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
