"""Compile fitted estimators to lookup tables or ONNX graphs, and compare their scores. Never part of a wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .choose import choose_backend, export_onnx
else:
    __getattr__ = lazy_names(__name__)

__all__ = ["choose_backend", "export_onnx"]
