"""The OpenAPI document and the page `/docs`, both generated from the signature."""

from __future__ import annotations

from .pages import Pages, example_curl

__all__ = ["Pages", "example_curl"]
