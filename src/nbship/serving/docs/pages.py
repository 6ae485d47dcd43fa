"""The documentation pages of a service, and an example command."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from ...inference import Logged
from ...project import ServingSection
from ..http import Response, json_response
from . import openapi
from .page import docs_page

__all__ = ["Pages", "example_curl"]

_ID = "01900000-0000-7000-8000-000000000000"


class Pages:
    """The pages of a service, cached for each version of the model."""

    def __init__(self, settings: ServingSection) -> None:
        self._settings = settings
        self._cache: dict[tuple[str, str], Response] = {}

    def page(self, path: str, served: Logged) -> Response:
        """Return `/openapi.json` or `/docs`."""
        key = path, served.package.id.version
        if key not in self._cache:
            self._cache[key] = self._render(path, served)
        return self._cache[key]

    def _render(self, path: str, served: Logged) -> Response:
        example, model = served.package.example, served.package.id
        prediction = {"id": _ID, "model": model.name, "version": model.version, **served.predict_unlogged([example])[0]}
        about: dict[str, Any] = {
            "model": model.name,
            "version": model.version,
            "example": example,
            "prediction": prediction,
        }
        if path == "/openapi.json":
            settings = self._settings
            content = openapi.describe(
                served.signature, keys=settings.auth == "keys", results=bool(settings.results), root=settings.prefix, **about,
            )  # fmt: skip
            return json_response(content)
        curl = example_curl(json_response(example).body, address="http://127.0.0.1:8000")
        keys = self._settings.auth == "keys"
        if keys:
            curl = curl.replace(" -H", " -H 'Authorization: Bearer <key>' -H", 1)
        page = docs_page(served.signature, curl=curl, keys=keys, **about)
        return Response(200, page.encode(), "text/html; charset=utf-8", _security_headers(page))


def _security_headers(page: str) -> dict[str, str]:
    """Return headers with which browsers run only the page's own script, and show it in no other page."""
    (script,) = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; connect-src 'self'"
    return {
        "Content-Security-Policy": f"{policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
    }


def example_curl(example: bytes, *, address: str) -> str:
    """Return the curl command that predicts for one record in JSON.

    >>> print(example_curl(b'{"x":1}', address="http://127.0.0.1:8000"))
    curl http://127.0.0.1:8000/predict -H 'Content-Type: application/json' -d '{"x":1}'
    """
    quoted = example.decode().replace("'", "'\\''")
    return f"curl {address}/predict -H 'Content-Type: application/json' -d '{quoted}'"
