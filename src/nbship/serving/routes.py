"""The paths of the service, in one table: what answers them, who may ask, and what OpenAPI says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ROUTES", "Route", "find_route"]

# What may be wrong with every request that has a body.
_BODY = (
    "invalid_json", "too_slow", "too_large", "unsupported_media_type", "invalid_input", "busy", "log_unavailable",
)  # fmt: skip
_MODEL = ("not_found", "not_ready")


@dataclass(frozen=True, slots=True)
class Route:
    """A path and what it is for.

    Attributes
    ----------
    path
        With `{name}` and `{version}` for the model's.
    name
        Of the handler, and of the operation in OpenAPI.
    role
        What the caller must be allowed, as `Access.admit` takes it.
    summary
        What it does, in one sentence; empty for what OpenAPI leaves out.
    schema
        Of a GET's response.
    errors
        Codes that it may end with, beside those that every request may.
    at_once
        Whether it never waits for anything.
    probe
        Whether it is for the probes' port, where there is one.
    metric
        How metrics call it, where that is not its name.
    """

    path: str
    name: str
    method: str = "GET"
    role: str | None = None
    summary: str = ""
    schema: str = ""
    errors: tuple[str, ...] = ()
    at_once: bool = False
    probe: bool = False
    metric: str = ""

    @property
    def label(self) -> str:
        """How metrics call it."""
        return self.metric or self.name


def _post(
    path: str, name: str, summary: str, *, role: str = "predict", errors: tuple[str, ...] = (), metric: str = ""
) -> Route:
    return Route(path, name, "POST", role, summary, errors=(*errors, *_BODY), metric=metric)


_READY = "Whether predictions can be answered and logged."
_INFER = "Predict for tensors (Open Inference Protocol, version 2); also with binary tensor data."
ROUTES: tuple[Route, ...] = (
    _post("/predict", "predict", "Predict for one record, or for a list of records."),
    _post("/feedback", "feedback", "Report what truly happened, by prediction id or by key.", role="feedback"),
    _post("/results", "results", "Find what a batch run predicted, by key.", errors=("not_found",)),
    _post("/invocations", "invocations", "Predict as MLflow's scoring server does."),
    _post("/v2/models/{name}/infer", "infer", _INFER, errors=("not_found",)),
    _post("/v2/models/{name}/versions/{version}/infer", "infer_version", _INFER, errors=("not_found",), metric="infer"),
    Route("/v2", "server", role="any", summary="The server, and its extensions of the protocol.", schema="Server", at_once=True),
    Route("/v2/health/live", "live", summary="Whether the process lives.", schema="Live", at_once=True, probe=True),
    Route("/v2/health/ready", "ready", summary=_READY, schema="Ready", errors=("not_ready",), probe=True),
    Route("/v2/models/{name}", "model", role="any", summary="Inputs and outputs of the model.", schema="Model", errors=_MODEL),
    Route("/v2/models/{name}/ready", "model_ready", role="any", summary="Whether the model answers.", schema="Ready", errors=_MODEL, metric="model"),
    Route("/v2/models/{name}/versions/{version}", "model_version", role="any", summary="Inputs and outputs of the model's version.", schema="Model", errors=_MODEL, metric="model"),
    Route("/v2/models/{name}/versions/{version}/ready", "model_version_ready", role="any", summary="Whether the model's version answers.", schema="Ready", errors=_MODEL, metric="model"),
    Route("/ping", "ping", summary=_READY, schema="Ready", errors=("not_ready",), probe=True),
    Route("/health", "health", summary=_READY, schema="Ready", errors=("not_ready",), probe=True),
    Route("/version", "version", role="any", summary="Name and version of the model.", schema="Version", errors=("not_ready",), at_once=True),
    Route("/metrics", "metrics", role="metrics", summary="Metrics of the service.", errors=("not_ready",), probe=True),
    Route("/openapi.json", "openapi", role="any"),
    Route("/docs", "docs"),
    Route("/", "root", at_once=True, metric="docs"),
)  # fmt: skip

_PLAIN = {route.path: route for route in ROUTES if "{" not in route.path}
_WITH_MODEL = [(route.path.split("/"), route) for route in ROUTES if "{" in route.path]


def find_route(path: str) -> tuple[Route, Mapping[str, str]] | None:
    """Return the route of a path, and the model's name and version where the path holds them.

    >>> find_route("/v2/models/risk/versions/0123/infer")[1]
    {'name': 'risk', 'version': '0123'}
    >>> find_route("/nowhere") is None
    True
    """
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
