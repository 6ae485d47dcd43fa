"""Answer predictions: the REST service and the pages' backing."""

from __future__ import annotations

from .body import BodyError, parse_body

__all__ = ["BodyError", "parse_body"]
