"""`nbship monitor`."""

from __future__ import annotations

from .report import command

__all__ = ["command"]
