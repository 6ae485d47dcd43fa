"""papermill's side of the engine: `papermill --engine nbship`."""

from __future__ import annotations

__all__: list[str] = []
