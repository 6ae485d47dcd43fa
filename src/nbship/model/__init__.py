"""The model package: signature, provenance, files and digests; how it is built and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .columns import columns_of, to_local
from .manifest import Manifest
from .provenance import Provenance
from .signature import Field, Output, Signature

if TYPE_CHECKING:
    from .features import ColumnFeatures
    from .package import build_package, load_estimator, save_estimator
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


def __getattr__(name: str) -> Any:
    """Import what needs scikit-learn, or is only used where packages are made, when it is asked for."""
    if name == "ColumnFeatures":
        from .features import ColumnFeatures

        return ColumnFeatures
    if name == "build_wheel":
        from .wheel import build_wheel

        return build_wheel
    if name in ("build_package", "load_estimator", "save_estimator"):
        from . import package

        return getattr(package, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
