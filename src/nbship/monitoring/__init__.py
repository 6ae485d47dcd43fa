"""What happened to a model in a window of time: volume, drift, performance, service."""

from __future__ import annotations

__all__: list[str] = []
