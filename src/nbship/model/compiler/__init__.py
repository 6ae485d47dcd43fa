"""Turning fitted estimators into lookup tables or ONNX graphs, with proof. Never part of a wheel."""

from __future__ import annotations
