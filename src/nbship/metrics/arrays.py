"""Outcomes and predictions as checked arrays, and measures that are finite or None."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..text import counted

__all__ = ["Floats", "Measures", "check_lengths", "finite_of", "number_or_none", "outcomes_of", "probabilities_of"]

Measures: TypeAlias = dict[str, int | float | None]
Floats: TypeAlias = NDArray[np.float64]


def outcomes_of(values: ArrayLike) -> Floats:
    array = floats_of(values, "outcomes")
    if not np.all((array == 0) | (array == 1)):
        raise DataError("Outcomes must be 0 or 1 (False or True). Drop the rows without an outcome.")
    return array


def probabilities_of(values: ArrayLike) -> Floats:
    array = floats_of(values, "probabilities")
    if not np.all((array >= 0) & (array <= 1)):
        raise DataError("Probabilities must be between 0 and 1. Drop the rows without a prediction.")
    return array


def finite_of(values: ArrayLike, what: str) -> Floats:
    array = floats_of(values, what)
    if not np.all(np.isfinite(array)):
        raise DataError(f"The {what} must be finite. Drop the rows where they are missing or infinite.")
    return array


def floats_of(values: ArrayLike, what: str) -> Floats:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"The {what} must be numbers: {error}. Drop the rows without a number.") from error
    if array.ndim != 1:
        raise DataError(f"The {what} must have one dimension, not {array.ndim}. Pass one number per row.")
    return array


def check_lengths(first: Floats, second: Floats) -> None:
    if first.size != second.size:
        raise DataError(
            f"There are {counted(first.size, 'outcome')} and {counted(second.size, 'prediction')}. Pass one of each per row."
        )


def number_or_none(value: Any) -> float | None:
    value = float(value)
    return value if math.isfinite(value) else None
