"""The routes of the service in one table: handler, role, errors, and the summary for OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ROUTES", "Route", "find_route"]

# The error codes of every request with a body.
_BODY = (
    "invalid_json", "too_slow", "too_large", "unsupported_media_type", "invalid_input", "busy", "log_unavailable",
)  # fmt: skip
_MODEL = ("not_found", "not_ready")


@dataclass(frozen=True, slots=True)
class Route:
    """A path and its operation.

    Attributes
    ----------
    path
        The path, with the placeholders `{name}` and `{version}` of the model.
    name
        The name of the handler, and the operation id in OpenAPI.
    role
        The role that the caller needs: see `Access.admit`.
    summary
        One sentence for OpenAPI; empty if the route is not documented.
    schema
        The schema of a GET response.
    errors
        Error codes of this route, in addition to those of every request.
    immediate
        Whether the handler never blocks, and can run in the event loop.
    probe
        Whether it is served on the port for probes, if there is one.
    metric
        The label in metrics, if it is not the name.
    """

    path: str
    name: str
    method: str = "GET"
    role: str | None = None
    summary: str = ""
    schema: str = ""
    errors: tuple[str, ...] = ()
    immediate: bool = False
    probe: bool = False
    metric: str = ""

    @property
    def label(self) -> str:
        """The label of the route in metrics."""
        return self.metric or self.name

    @property
    def methods(self) -> str:
        """The methods of the route besides OPTIONS, as the header `Allow` lists them."""
        return "GET, HEAD" if self.method == "GET" else self.method


def _post(
    path: str, name: str, summary: str, *, role: str = "predict", errors: tuple[str, ...] = (), metric: str = ""
) -> Route:
    return Route(path, name, "POST", role, summary, errors=(*errors, *_BODY), metric=metric)


_READY = "Check that the service can predict, and log predictions."
_INFER = "Predict for tensors (Open Inference Protocol v2), as JSON or as binary tensor data."
ROUTES: tuple[Route, ...] = (
    _post("/predict", "predict", "Predict for one record, or for a list of records."),
    _post("/feedback", "feedback", "Report the actual outcome, by prediction id or by key.", role="feedback"),
    _post("/results", "results", "Look up predictions of a batch run by key.", errors=("not_found",)),
    _post("/invocations", "invocations", "Predict for MLflow clients, in the format of MLflow's scoring server."),
    _post("/v2/models/{name}/infer", "infer", _INFER, errors=("not_found",)),
    _post("/v2/models/{name}/versions/{version}/infer", "infer_version", _INFER, errors=("not_found",), metric="infer"),
    Route("/v2", "server", role="any", summary="Return the server's name, version and protocol extensions.", schema="Server", immediate=True),
    Route("/v2/health/live", "live", summary="Check that the process is alive.", schema="Live", immediate=True, probe=True),
    Route("/v2/health/ready", "ready", summary=_READY, schema="Ready", errors=("not_ready",), immediate=True, probe=True),
    Route("/v2/models/{name}", "model", role="any", summary="Return the inputs and outputs of the model.", schema="Model", errors=_MODEL),
    Route("/v2/models/{name}/ready", "model_ready", role="any", summary="Check that the model is ready.", schema="Ready", errors=_MODEL, immediate=True, metric="model"),
    Route("/v2/models/{name}/versions/{version}", "model_version", role="any", summary="Return the inputs and outputs of a version of the model.", schema="Model", errors=_MODEL, metric="model"),
    Route("/v2/models/{name}/versions/{version}/ready", "model_version_ready", role="any", summary="Check that a version of the model is ready.", schema="Ready", errors=_MODEL, immediate=True, metric="model"),
    Route("/ping", "ping", summary=_READY, schema="Ready", errors=("not_ready",), immediate=True, probe=True),
    Route("/health", "health", summary=_READY, schema="Ready", errors=("not_ready",), immediate=True, probe=True),
    Route("/version", "version", role="any", summary="Return the name and version of the model.", schema="Version", errors=("not_ready",), immediate=True),
    Route("/metrics", "metrics", role="metrics", summary="Return the metrics of the service, for Prometheus.", errors=("not_ready",), probe=True),
    Route("/openapi.json", "openapi", role="any"),
    Route("/docs", "docs"),
    Route("/", "root", immediate=True, metric="docs"),
)  # fmt: skip

_PLAIN = {route.path: route for route in ROUTES if "{" not in route.path}
_WITH_MODEL = [(route.path.split("/"), route) for route in ROUTES if "{" in route.path]


def find_route(path: str) -> tuple[Route, Mapping[str, str]] | None:
    """Return the route of a path, and the values of its placeholders.

    >>> find_route("/v2/models/risk/versions/0123/infer")[1]
    {'name': 'risk', 'version': '0123'}
    >>> find_route("/predict/")[0].name, find_route("/nowhere")
    ('predict', None)
    """
    if len(path) > 1:
        path = path.removesuffix("/")
    route = _PLAIN.get(path)
    if route is not None:
        return route, {}
    parts = path.split("/")
    for names, route in _WITH_MODEL:
        if len(names) == len(parts):
            given = {name[1:-1]: part for name, part in zip(names, parts, strict=True) if name.startswith("{")}
            if all(name.startswith("{") or name == part for name, part in zip(names, parts, strict=True)):
                return route, given
    return None
