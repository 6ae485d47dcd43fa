"""What a notebook says of itself: cells, parameters, imports, paths."""

from __future__ import annotations
