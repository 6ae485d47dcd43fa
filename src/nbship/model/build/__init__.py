"""Build a package: files, evidence, reference, card, wheel, container. Never part of a wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .build import build_package, load_estimator, save_estimator
    from .container import write_context
    from .from_file import infer_signature, package_saved, write_onnx
    from .locked_hashes import find_lock
    from .reference import Distribution, count, load_reference
    from .wheel import build_wheel
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "Distribution",
    "build_package",
    "build_wheel",
    "count",
    "find_lock",
    "infer_signature",
    "load_estimator",
    "load_reference",
    "package_saved",
    "save_estimator",
    "write_context",
    "write_onnx",
]
