"""The REST service: a bare ASGI application over one logged predictor."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..errors import InputFailure, InvalidInputError, LogError
from ..inference import Logged, take_feedback
from . import openapi
from .asgi import Answer, Receive, Refusal, Request, Scope, Send, json_answer, read_body, send_answer
from .body import BodyError, parse_body
from .docs import docs_page

__all__ = ["Service", "example_curl"]

_LOGGER = logging.getLogger(__name__)
_MOST_FAILURES = 100
_DATATYPES = {"bool": "BOOL", "int": "INT64", "float": "FP64"}

Handler: TypeAlias = Callable[[Request], Answer]


@dataclass(frozen=True)
class _Route:
    method: str
    handler: Handler


class Service:
    """An ASGI application that answers predictions and logs them.

    Parameters
    ----------
    open_predictor
        Called when the application starts; what it returns answers every prediction.
    """

    def __init__(self, open_predictor: Callable[[], Logged]) -> None:
        self._open = open_predictor
        self._logged: Logged | None = None
        self._pages: dict[str, Answer] = {}
        self._routes = {
            "/": _Route("GET", lambda _: Answer(307, b"", "text/plain", {"Location": "docs"})),
            "/predict": _Route("POST", self._predict),
            "/feedback": _Route("POST", self._feedback),
            "/v2/health/live": _Route("GET", lambda _: json_answer({"live": True})),
            "/v2/health/ready": _Route("GET", self._ready),
            "/ping": _Route("GET", self._ready),
            "/health": _Route("GET", self._ready),
            "/version": _Route("GET", self._version),
            "/openapi.json": _Route("GET", self._page),
            "/docs": _Route("GET", self._page),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await send_answer(await self._respond(scope, receive), send, body=scope["method"] != "HEAD")
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            self.start()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    def start(self) -> None:
        """Load the model and open the log."""
        self._logged = self._open()

    def stop(self) -> None:
        """Write what waits in the log; nothing is answered from here on."""
        logged, self._logged = self._logged, None
        if logged is not None:
            logged.log.close()

    async def _respond(self, scope: Scope, receive: Receive) -> Answer:
        from anyio import to_thread

        try:
            handler = self._find(scope["method"], scope["path"])
            body = await read_body(scope, receive) if scope["method"] == "POST" else b""
            caller = scope["client"][0] if scope.get("client") else "local"
            request = Request(scope["method"], scope["path"], body, caller)
            return await to_thread.run_sync(handler, request)
        except Refusal as refusal:
            return refusal.answer()
        except Exception:
            _LOGGER.exception("%s %s failed", scope["method"], scope["path"])
            return Refusal(500, "internal", "The service made a mistake. Its log says which.").answer()

    def _find(self, method: str, path: str) -> Handler:
        route = self._routes.get(path) or (_Route("GET", self._model) if path.startswith("/v2/models/") else None)
        if route is None:
            raise Refusal(404, "not_found", f"There is no '{_shown(path)}' here. See /docs.")
        if method != route.method and not (method == "HEAD" and route.method == "GET"):
            message = f"'{_shown(path)}' takes {route.method}, not {_shown(method)}."
            raise Refusal(405, "method_not_allowed", message, headers={"Allow": route.method})
        return route.handler

    @property
    def _served(self) -> Logged:
        if self._logged is None:
            raise Refusal(503, "not_ready", "No model is loaded. Try again in a moment.")
        return self._logged

    def _predict(self, request: Request) -> Answer:
        logged = self._served
        content = _parsed(request.body)
        rows = content if isinstance(content, list) else [content]
        _check_rows(rows)
        try:
            answers = logged.answer(rows, caller=request.caller)
        except InvalidInputError as error:
            raise _invalid(error) from error
        except LogError as error:
            raise _unlogged(error) from error
        return json_answer(answers if isinstance(content, list) else answers[0])

    def _feedback(self, request: Request) -> Answer:
        logged = self._served
        content = _parsed(request.body)
        rows = content if isinstance(content, list) else [content]
        _check_rows(rows)
        try:
            told = take_feedback(logged.log, rows, signature=logged.signature)
        except InvalidInputError as error:
            raise _invalid(error) from error
        except LogError as error:
            raise _unlogged(error) from error
        return json_answer({"accepted": told.accepted, "matched": told.matched})

    def _ready(self, _: Request) -> Answer:
        try:
            self._served.log.check()
        except LogError as error:
            raise _unlogged(error) from error
        return json_answer({"ready": True})

    def _version(self, _: Request) -> Answer:
        return json_answer({"model": self._served.name, "version": self._served.version})

    def _model(self, request: Request) -> Answer:
        served = self._served
        name, *rest = request.path.removeprefix("/v2/models/").split("/")
        if rest[:1] == ["versions"] and len(rest) > 1:
            if rest[1] != served.version:
                raise Refusal(404, "not_found", f"Version '{_shown(rest[1])}' is not served, but '{served.version}'.")
            rest = rest[2:]
        if name != served.name or rest not in ([], ["ready"]):
            raise Refusal(404, "not_found", f"There is no '{_shown(request.path)}' here. The model is '{served.name}'.")
        return self._ready(request) if rest else json_answer(_metadata(served))

    def _page(self, request: Request) -> Answer:
        if request.path not in self._pages:
            self._pages[request.path] = _describe(self._served, request.path)
        return self._pages[request.path]


def example_curl(example: bytes, *, address: str) -> str:
    """Return the command that asks for a prediction of one record, given as JSON.

    >>> print(example_curl(b'{"x":1}', address="http://127.0.0.1:8000"))
    curl http://127.0.0.1:8000/predict -H 'Content-Type: application/json' -d '{"x":1}'
    """
    quoted = example.decode().replace("'", "'\\''")
    return f"curl {address}/predict -H 'Content-Type: application/json' -d '{quoted}'"


def _describe(served: Logged, path: str) -> Answer:
    example = served.example
    shown = {"id": "01900000-0000-7000-8000-000000000000", "model": served.name, "version": served.version}
    answer = {**shown, **served.foresee([example])[0]}
    if path == "/openapi.json":
        return json_answer(
            openapi.describe(
                served.signature, model=served.name, version=served.version, example=example, answer=answer
            )
        )
    curl = example_curl(json_answer(example).body, address="http://127.0.0.1:8000")
    page = docs_page(
        served.signature, model=served.name, version=served.version, example=example, answer=answer, curl=curl
    )
    return Answer(200, page.encode(), "text/html; charset=utf-8")


def _metadata(served: Logged) -> dict[str, Any]:
    def tensor(name: str, dtype: str) -> dict[str, Any]:
        return {"name": name, "datatype": _DATATYPES.get(dtype, "BYTES"), "shape": [-1, 1]}

    return {
        "name": served.name,
        "versions": [served.version],
        "platform": "nbship",
        "inputs": [tensor(field.name, field.dtype) for field in served.signature.inputs],
        "outputs": [tensor(output.name, output.dtype) for output in served.signature.outputs],
    }


def _parsed(body: bytes) -> Any:
    try:
        return parse_body(body)
    except BodyError as error:
        fields = [InputFailure(None, error.field, str(error))] if error.field else []
        raise Refusal(413 if error.code == "too_large" else 400, error.code, str(error), fields=fields) from error


def _check_rows(rows: list[Any]) -> None:
    if not rows:
        raise Refusal(422, "invalid_input", "The list is empty. Send at least one record.")
    wrong = [
        InputFailure(position, None, f"is {_kind(row)}, not an object with the model's fields")
        for position, row in enumerate(rows)
        if not isinstance(row, Mapping)
    ]
    if wrong:
        raise _invalid(InvalidInputError(wrong))


def _kind(value: Any) -> str:
    names = {list: "a list", str: "text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def _invalid(error: InvalidInputError) -> Refusal:
    return Refusal(422, "invalid_input", str(error), fields=error.failures[:_MOST_FAILURES])


def _unlogged(error: LogError) -> Refusal:
    _LOGGER.error("%s", error)
    return Refusal(503, "log_unavailable", "The prediction cannot be logged, so it is not answered. Try again later.")


def _shown(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
