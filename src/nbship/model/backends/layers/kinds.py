"""The layers of models of matrix products, by name.

Each function takes the matrix, of whole blocks of rows in row order, the number of rows of a block, and the arrays of
the layer, and may write into the matrix. The result for a row does not depend on the other rows: calculations within a row have the same order in
every block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

__all__ = ["KINDS"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


def _product(matrix: Array, block: int, weights: Array, base: Array) -> Array:
    """Return the product with weights of the shape (columns, outputs), plus `base`."""
    found = np.matmul(matrix.reshape(-1, block, matrix.shape[1]), weights).reshape(len(matrix), weights.shape[1])
    return np.asarray(np.add(found, base, out=found))


def _logistic(matrix: Array, block: int) -> Array:
    np.exp(np.negative(matrix, out=matrix), out=matrix)
    matrix += 1.0
    return np.asarray(np.divide(1.0, matrix, out=matrix))


def _polynomials(matrix: Array, block: int, factors: Array) -> Array:
    """Return products of columns: `factors` has their indices, shape (degree, outputs); -1 for no factor."""
    with_one = np.ones((len(matrix), matrix.shape[1] + 1))
    with_one[:, :-1] = matrix
    found: Array = with_one.take(factors[0], axis=1, mode="wrap")
    for indices in factors[1:]:
        found *= with_one.take(indices, axis=1, mode="wrap")
    return found


def _distances(matrix: Array, block: int, means: Array, rotations: Array, base: Array) -> Array:
    """Return, for each class, its `base` minus half of the squared distance from its mean after its rotation.

    The arrays have the shapes (classes, columns), (classes, columns, rotated) and (classes,).
    """
    found = np.empty((len(matrix), len(base)))
    for number, (mean, rotation) in enumerate(zip(means, rotations, strict=True)):
        rotated = _product(matrix - mean, block, rotation, np.zeros(rotation.shape[1]))
        found[:, number] = base[number] - 0.5 * _squares(rotated, block, np.ones(rotation.shape[1]))
    return found


def _gaussian(matrix: Array, block: int, means: Array, variances: Array, base: Array) -> Array:
    """Return, for each class, its `base` minus half of the squared distance in standard deviations."""
    found = np.empty((len(matrix), len(base)))
    for number, (mean, variance) in enumerate(zip(means, variances, strict=True)):
        found[:, number] = base[number] - 0.5 * _squares(matrix - mean, block, 1 / variance)
    return found


def _unit(matrix: Array, block: int) -> Array:
    """Return rows of length 1; rows of zeros stay."""
    lengths = np.sqrt(_squares(matrix.copy(), block, np.ones(matrix.shape[1])))
    lengths[lengths == 0.0] = 1.0
    return np.asarray(matrix / lengths[:, None])


def _squares(matrix: Array, block: int, weights: Array) -> Array:
    """Return the weighted sum of the squares of each row, and overwrite the matrix."""
    np.square(matrix, out=matrix)
    return np.asarray(np.matmul(matrix.reshape(-1, block, matrix.shape[1]), weights).ravel())


KINDS: Mapping[str, Callable[..., Array]] = {
    "product": _product,
    "relu": lambda matrix, block: np.maximum(matrix, 0.0, out=matrix),
    "tanh": lambda matrix, block: np.tanh(matrix, out=matrix),
    "logistic": _logistic,
    "cosine": lambda matrix, block: np.cos(matrix, out=matrix),
    "subtract": lambda matrix, block, row: np.subtract(matrix, row, out=matrix),
    "add": lambda matrix, block, row: np.add(matrix, row, out=matrix),
    "divide": lambda matrix, block, row: np.divide(matrix, row, out=matrix),
    "multiply": lambda matrix, block, row: np.multiply(matrix, row, out=matrix),
    "above": lambda matrix, block, row: (matrix > row).astype(np.float64),
    "take": lambda matrix, block, indices: matrix.take(indices, axis=1),
    "polynomials": _polynomials,
    "unit": _unit,
    "gaussian": _gaussian,
    "distances": _distances,
}
