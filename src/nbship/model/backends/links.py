"""From the sums of a compiled model to its scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from .float32_links import float32_scores

__all__ = ["LINKS", "score_of_sum", "score_of_sums"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

_FLOAT32 = "float32 "
LINKS = (
    *("identity", "exp", "expit", "expit of twice", "softmax", "decision"),
    *(f"{_FLOAT32}{link}" for link in ("exp", "expit", "softmax")),
)
# exp(709.8) overflows with a warning; beyond this limit `score_of_sums` calculates, with the warning off.
_FAR = 700.0


def score_of_sums(sums: Array, link: str, divisor: float) -> Array:
    """Return the scores of rows, shape (rows, outputs).

    Parameters
    ----------
    link, divisor
        The function from sums to scores: division, then "identity", "exp", "expit", "expit of twice", "softmax",
        or "decision" (1 for the class with the largest sum, 0 for others; of one sum, its sign). "float32 exp",
        "float32 expit" and "float32 softmax" are calculated in float32, without a divisor.
    """
    if link.startswith(_FLOAT32):
        return float32_scores(sums, link.removeprefix(_FLOAT32))
    if divisor != 1.0:
        sums = sums / divisor
    if link == "decision":
        chosen = sums.argmax(axis=1) if sums.shape[1] > 1 else (sums[:, 0] > 0).astype(np.intp)
        return np.asarray(chosen[:, None] == np.arange(max(2, sums.shape[1])), dtype=np.float64)
    with np.errstate(over="ignore"):
        if link == "exp":
            return np.asarray(np.exp(sums))
        if link in ("expit", "expit of twice"):
            probability = 1 / (1 + np.exp(-sums if link == "expit" else -2 * sums))
            return np.concatenate([1 - probability, probability], axis=1)
        if link == "softmax":
            powers = np.exp(sums - sums.max(axis=1, keepdims=True))
            # Add column by column: the order in which NumPy sums along rows depends on the number of rows.
            total = powers[:, 0].copy()
            for output in range(1, powers.shape[1]):
                total += powers[:, output]
            return np.asarray(powers / total[:, None])
    return sums


def score_of_sum(sums: Sequence[float], link: str, divisor: float) -> list[float]:
    """Return the scores of one row, bit for bit those of `score_of_sums`."""
    # In plain Python: the overhead of NumPy for one number is larger than the calculation. Only the exponential is
    # NumPy's, as the last bit of math.exp may differ.
    if link == "expit" and divisor == 1.0 and sums[0] > -_FAR:
        probability = 1 / (1 + np.exp(-sums[0]).item())
        return [1 - probability, probability]
    if link == "identity":
        return [each / divisor for each in sums]
    found: list[float] = score_of_sums(np.array([sums]), link, divisor)[0].tolist()
    return found
