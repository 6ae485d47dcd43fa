"""Collect what is measured of a window: its rows, counted part by part, and the requests of the service."""

from __future__ import annotations

from .counts import Counts
from .effects import Effects
from .reading import SHARES, in_turn, read_parts, read_requests
from .rows import Rows

__all__ = ["SHARES", "Counts", "Effects", "Rows", "in_turn", "read_parts", "read_requests"]
