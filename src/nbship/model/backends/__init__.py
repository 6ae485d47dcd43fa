"""How a fitted estimator is stored: one module a format."""

from __future__ import annotations

__all__ = ["BOUND", "ONNX", "TABLES"]

TABLES = "tables.npz"
ONNX = "model.onnx"
# Path -> how far its answers may be from the fitted estimator's, relative to numbers above one.
BOUND = {"tables": 1e-12, "onnx": 1e-6, "sklearn": 1e-12}
