"""The protocols that the service speaks."""

from __future__ import annotations
