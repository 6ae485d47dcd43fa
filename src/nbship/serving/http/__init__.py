"""HTTP: the ASGI application, limits, keys, metrics and request log."""

from __future__ import annotations
