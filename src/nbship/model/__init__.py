"""The model package: signature, provenance, files and digests; how it is built and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .package.manifest import Manifest
from .package.provenance import Provenance
from .signature.columns import columns_of, to_local
from .signature.signature import Field, Output, Signature

if TYPE_CHECKING:
    from .build.build import build_package, load_estimator, save_estimator
    from .build.wheel import build_wheel
    from .features import ColumnFeatures

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
        from .build.wheel import build_wheel

        return build_wheel
    if name in ("build_package", "load_estimator", "save_estimator"):
        from .build import build

        return getattr(build, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
