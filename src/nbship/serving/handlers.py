"""The handlers of the routes: each returns a response, or a response that waits for a pending commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from ..alerting import read_gauges
from ..inference import Logged
from ..project import ServingSection
from .docs import Pages
from .http import HTTPError, PendingResponse, Request, Response, Scope, json_response
from .lifespan import Lifespan
from .protocols import feedback, infer, invoke, lookup, metadata, predict, server_metadata
from .routes import Route, find_route

__all__ = ["Handlers"]

Handler: TypeAlias = "Callable[[Request], Response | PendingResponse]"


class Handlers:
    """The handlers of a service, by the names of their routes.

    Attributes
    ----------
    lifespan
        The parts of the running service; None before it starts and after it has stopped.
    draining
        Whether the service is about to stop: it still answers requests, but reports that it is not ready.
    """

    def __init__(self, settings: ServingSection, *, state: Path | None = None) -> None:
        self._state = state
        self.lifespan: Lifespan | None = None
        self.draining = False
        self._probes_port = settings.probes_port
        self._pages = Pages(settings)
        # Relative without a prefix, as a proxy may add one.
        self._docs = f"{settings.prefix}/docs" if settings.prefix else "docs"
        self._handlers = self._by_name(most_rows=settings.max_rows)

    def _by_name(self, *, most_rows: int) -> Mapping[str, Handler]:
        def served(function: Callable[..., Response | PendingResponse]) -> Handler:
            return lambda request: function(request, self.served.logged, most_rows=most_rows)

        return {
            "predict": served(predict),
            "feedback": served(feedback),
            "results": served(self._lookup),
            "invocations": served(invoke),
            **dict.fromkeys(("infer", "infer_version"), served(infer)),
            "server": lambda _: json_response(server_metadata()),
            "live": lambda _: json_response({"live": True}),
            **dict.fromkeys(("ready", "ping", "health", "model_ready", "model_version_ready"), self._ready),
            **dict.fromkeys(("model", "model_version"), lambda _: json_response(metadata(self.served.logged))),
            "version": self._version,
            "metrics": self._metrics,
            **dict.fromkeys(("openapi", "docs"), self._page),
            "root": lambda _: Response(307, b"", "text/plain", {"Location": self._docs}),
        }

    def handle(self, route: Route, request: Request) -> Response | PendingResponse:
        """Call the handler of a route."""
        return self._handlers[route.name](request)

    def find(self, request: Request, scope: Scope) -> Route:
        """Return the route of a request.

        Raises
        ------
        HTTPError
            If there is no such path on this port, the path names another model or version, or the method is wrong.
        """
        path, port = request.path, self._probes_port
        found = find_route(path)
        # With a port for probes, that port serves the probes and nothing else, and the main port no probes.
        if found is None or (port and found[0].probe != (scope.get("server", (None, None))[1] == port)):
            raise HTTPError("not_found", f"The path '{_shown(path)}' does not exist. See /docs for the API.")
        route, model = found
        if "version" in model:
            _check_served(model["version"], self.served.version, "Version")
        if "name" in model:
            _check_served(model["name"], self.served.logged.package.id.name, "Model")
        if request.method not in (route.method, "OPTIONS") and request.method not in route.methods.split(", "):
            message = f"'{_shown(path)}' accepts {route.method}, not {_shown(request.method)}. Send the request with {route.method}."
            raise HTTPError("method_not_allowed", message, headers={"Allow": f"{route.methods}, OPTIONS"})
        return route

    @property
    def served(self) -> Lifespan:
        """The parts of the running service; HTTPError if it is not running."""
        if self.lifespan is None:
            raise HTTPError("not_ready", "No model is loaded. Try again in a moment.")
        return self.lifespan

    def _lookup(self, request: Request, served: Logged, *, most_rows: int) -> Response:
        return lookup(request, served, most_rows=most_rows, results=self.served.results)

    def _ready(self, _: Request) -> Response:
        served = self.served
        if self.draining:
            raise HTTPError("not_ready", "The service is shutting down. Send the request to another instance.")
        served.require_active()
        served.health.require()
        return json_response({"ready": True})

    def _version(self, _: Request) -> Response:
        model = self.served.logged.package.id
        about = {"model": model.name, "version": model.version}
        return json_response({**about, "tag": model.tag} if model.tag else about)

    def _metrics(self, _: Request) -> Response:
        from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

        gauges = b"" if self._state is None else read_gauges(self._state)
        return Response(200, self.served.metrics.text() + gauges, CONTENT_TYPE_PLAIN_0_0_4)

    def _page(self, request: Request) -> Response:
        return self._pages.page(request.path, self.served.logged)


def _check_served(requested: str, served: str, what: str) -> None:
    if requested != served:
        raise HTTPError("not_found", f"{what} '{_shown(requested)}' is not served here. Use '{served}'.")


def _shown(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
