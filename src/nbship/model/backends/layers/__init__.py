"""Models of matrix products: the columns of a matrix from lookup tables, then layers."""

from __future__ import annotations

from .compiled import Layer, Layers

__all__ = ["Layer", "Layers"]
