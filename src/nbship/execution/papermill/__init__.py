"""The engine for papermill: `papermill --engine nbship`."""

from __future__ import annotations

__all__: list[str] = []
