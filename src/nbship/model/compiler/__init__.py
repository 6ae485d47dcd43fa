"""Turning fitted estimators into lookup tables or ONNX graphs, with proof. Never part of a wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .choose import choose_path, export_onnx
else:
    __getattr__ = lazy_names(__name__)

__all__ = ["choose_path", "export_onnx"]
