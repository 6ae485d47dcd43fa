"""Notebooks to production: pipelines, model packages, predictions, monitoring."""

from __future__ import annotations

__all__ = ["__version__"]
__version__ = "0.1.0"
