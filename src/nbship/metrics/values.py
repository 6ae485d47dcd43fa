"""Measures of predicted values."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Measures, check_lengths, finite_of, number_or_none
from .blocks import block_mean, block_numbers

__all__ = ["regression"]


def regression(actual: ArrayLike, value: ArrayLike, *, blocks: ArrayLike | None = None) -> Measures:
    """Measure predicted quantities, in the unit of the quantity.

    Parameters
    ----------
    actual
        The true values, shape (n,), finite.
    value
        The predicted values, shape (n,), finite.
    blocks
        What rows that are alike share, shape (n,), such as the day, for the error of a measure.

    Returns
    -------
    Measures
        `n`, `mean_actual`, `mean_value`, `bias` (mean of value - actual), `mae`, `rmse`, and `r2`, the share of the
        variance explained (None where the outcome does not vary);
        with `blocks`: `blocks` (their number) and `mae_error` (standard error, see `block_mean`).

    Raises
    ------
    DataError
        If the lengths differ or a number is not finite.

    Examples
    --------
    >>> regression([1.0, 2.0, 3.0], [1.5, 2.0, 3.5])["mae"]
    0.3333333333333333
    """
    y, v = finite_of(actual, "outcomes"), finite_of(value, "predictions")
    check_lengths(y, v)
    names = ("mean_actual", "mean_value", "bias", "mae", "rmse", "r2")
    if not y.size:
        return {"n": 0} | dict.fromkeys(names) | ({} if blocks is None else {"blocks": 0, "mae_error": None})
    with np.errstate(over="ignore", invalid="ignore"):
        error, spread = v - y, float(np.sum((y - y.mean()) ** 2))
        r2 = 1 - np.sum(error**2) / spread if spread > 0 else math.nan
        found = (y.mean(), v.mean(), error.mean(), np.abs(error).mean(), np.sqrt(np.mean(error**2)), r2)
    measures: Measures = {"n": y.size} | dict(zip(names, map(number_or_none, found), strict=True))
    if blocks is not None:
        estimate = block_mean(np.abs(error), block_numbers(blocks))
        measures |= {"blocks": estimate.blocks, "mae_error": estimate.error}
    return measures
