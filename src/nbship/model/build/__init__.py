"""Build a package: files, evidence, reference, card, wheel, container. Never part of a wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .build import build_package, load_estimator, save_estimator
    from .container import write_context
    from .from_file import infer_signature, package_saved, write_onnx
    from .locked_hashes import find_lock
    from .reference import (
        LEAST_OF_PAIR,
        LEAST_ROWS,
        MOST_DISTINCT,
        Counts,
        Distribution,
        Grouping,
        Periods,
        Reference,
        SortedNumbers,
        count,
        factorized,
        identified_by,
        is_known,
        joined,
        load_reference,
        measure,
        repeated,
        row_hashes,
        six_digits,
    )
    from .wheel import build_wheel
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "LEAST_OF_PAIR",
    "LEAST_ROWS",
    "MOST_DISTINCT",
    "Counts",
    "Distribution",
    "Grouping",
    "Periods",
    "Reference",
    "SortedNumbers",
    "build_package",
    "build_wheel",
    "count",
    "factorized",
    "find_lock",
    "identified_by",
    "infer_signature",
    "is_known",
    "joined",
    "load_estimator",
    "load_reference",
    "measure",
    "package_saved",
    "repeated",
    "row_hashes",
    "save_estimator",
    "six_digits",
    "write_context",
    "write_onnx",
]
