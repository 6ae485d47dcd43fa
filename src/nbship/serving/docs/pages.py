"""What the service tells of itself: the OpenAPI document, the page for people, a command to try."""

from __future__ import annotations

from typing import Any

from ...inference import Logged
from ...project import ServingSection
from ..http import Answer, json_answer
from . import openapi
from .page import docs_page

__all__ = ["Pages", "example_curl"]

_ID = "01900000-0000-7000-8000-000000000000"


class Pages:
    """The pages of a service, each made once."""

    def __init__(self, settings: ServingSection) -> None:
        self._settings = settings
        self._made: dict[tuple[str, str], Answer] = {}

    def page(self, path: str, served: Logged) -> Answer:
        """Return `/openapi.json` or `/docs`."""
        key = path, served.package.id.version
        if key not in self._made:
            self._made[key] = self._make(path, served)
        return self._made[key]

    def _make(self, path: str, served: Logged) -> Answer:
        example, model = served.package.example, served.package.id
        answer = {"id": _ID, "model": model.name, "version": model.version, **served.predict_unlogged([example])[0]}
        about: dict[str, Any] = {"model": model.name, "version": model.version, "example": example, "answer": answer}
        if path == "/openapi.json":
            settings = self._settings
            content = openapi.describe(
                served.signature, keys=settings.auth == "keys", results=bool(settings.results), root=settings.root_path, **about,
            )  # fmt: skip
            return json_answer(content)
        curl = example_curl(json_answer(example).body, address="http://127.0.0.1:8000")
        keys = self._settings.auth == "keys"
        if keys:
            curl = curl.replace(" -H", " -H 'Authorization: Bearer <key>' -H", 1)
        page = docs_page(served.signature, curl=curl, keys=keys, **about)
        return Answer(200, page.encode(), "text/html; charset=utf-8")


def example_curl(example: bytes, *, address: str) -> str:
    """Return the command that asks for a prediction of one record, given as JSON.

    >>> print(example_curl(b'{"x":1}', address="http://127.0.0.1:8000"))
    curl http://127.0.0.1:8000/predict -H 'Content-Type: application/json' -d '{"x":1}'
    """
    quoted = example.decode().replace("'", "'\\''")
    return f"curl {address}/predict -H 'Content-Type: application/json' -d '{quoted}'"
