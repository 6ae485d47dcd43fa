"""The model package: signature, provenance, files and digests; how it is built and read."""

from __future__ import annotations

from .columns import ColumnFeatures, columns_of, to_local
from .manifest import Manifest
from .package import build_package, load_estimator, save_estimator
from .provenance import Provenance
from .signature import Field, Output, Signature
from .wheel import build_wheel

__all__ = [
    "ColumnFeatures",
    "Field",
    "Manifest",
    "Output",
    "Provenance",
    "Signature",
    "build_package",
    "build_wheel",
    "columns_of",
    "load_estimator",
    "save_estimator",
    "to_local",
]
