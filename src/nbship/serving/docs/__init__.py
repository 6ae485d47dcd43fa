"""OpenAPI, generated from the signature, and the page to try the service."""

from __future__ import annotations

from .pages import Pages, example_curl

__all__ = ["Pages", "example_curl"]
