"""From float32 sums to scores in float32, as XGBoost calculates them.

Its exponential is `expf` of the C library, whose last bit differs from NumPy's for every third number. This one is the
algorithm of glibc since 2.27, musl and FreeBSD (Szabolcs Nagy, Arm Optimized Routines, `expf.c`):
e^x = 2^(k/32) 2^(r/32), where k is an integer, the first factor comes from a table, and the second from a polynomial.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

__all__ = ["expf", "float32_scores"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

_PARTS = 32
_TABLE = np.exp2(np.arange(_PARTS) / _PARTS)
_CUBE, _SQUARE, _LINE = (
    float.fromhex(each) / _PARTS**power
    for power, each in ((3, "0x1.c6af84b912394p-5"), (2, "0x1.ebfce50fac4f3p-3"), (1, "0x1.62e42ff0c52d6p-1"))
)
_INVERSE = float.fromhex("0x1.71547652b82fep+0") * _PARTS
# XGBoost's sigmoid limits the exponent.
_MOST = np.float32(88.7)


def expf(numbers: Array) -> Array:
    """Return the exponential of float32 numbers, as the C library rounds it."""
    # Beyond the limits of float32, a double still holds the result, and its conversion is zero or infinity.
    parts = np.clip(numbers.astype(np.float64), -200.0, 200.0) * _INVERSE
    whole = np.rint(parts)
    rest, index = parts - whole, whole.astype(np.int64)
    scale = np.ldexp(_TABLE[index % _PARTS], index // _PARTS)
    power = (_CUBE * rest + _SQUARE) * (rest * rest) + (_LINE * rest + 1)
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray((power * scale).astype(np.float32))


def float32_scores(sums: Array, link: str) -> Array:
    """Return the scores of rows as float64, shape (rows, outputs); see `score_of_sums`."""
    sums = sums.astype(np.float32)
    if link == "exp":
        found = expf(sums)
    elif link == "expit":
        found = np.float32(1) / (expf(np.minimum(-sums, _MOST)) + np.float32(1))
        found = np.concatenate([np.float32(1) - found, found], axis=1)
    else:
        powers = expf(sums - sums.max(axis=1, keepdims=True))
        # XGBoost adds in double precision, output by output.
        total = np.zeros(len(sums))
        for output in range(powers.shape[1]):
            total += powers[:, output]
        found = powers / total[:, None].astype(np.float32)
    return found.astype(np.float64)
