"""Data: where rows come from (`sources`), what they must look like (`schema`), what is looked up (`lookups`)."""

from __future__ import annotations

__all__: list[str] = []
