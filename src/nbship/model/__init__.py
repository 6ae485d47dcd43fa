"""Build and read model packages: signature, provenance, files and digests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .build import build_package, build_wheel, load_estimator, save_estimator
    from .features import ColumnFeatures
    from .package import Manifest, Provenance
    from .signature import Field, Output, Signature, columns_of, to_local
else:
    __getattr__ = lazy_names(__name__)

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
