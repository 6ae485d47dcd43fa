"""Two models on the same rows: the difference of a measure, with its interval by block.

Days differ more than models: on a stormy day both are wrong. So rows are paired, and whole blocks, such as days, are
drawn with replacement (Künsch 1989; Efron & Tibshirani 1993, chapter 8).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..text import listed
from .arrays import Floats, check_lengths, finite_of, outcomes_of, probabilities_of
from .blocks import block_numbers

__all__ = ["MEASURES", "Comparison", "compare_models"]

BETTER, NOT_WORSE, UNDECIDED, WORSE, INSUFFICIENT = "better", "not worse", "undecided", "worse", "insufficient"

# Fewer blocks are insufficient.
_LEAST_BLOCKS = 5
# More blocks than this are joined at random: groups of independent blocks are independent too.
_MOST_BLOCKS = 400

Loss = Callable[[Floats, Floats], Floats]
_TINY = float(np.finfo(np.float64).eps)


def _log_loss(y: Floats, p: Floats) -> Floats:
    clipped = np.clip(p, _TINY, 1 - _TINY)
    return np.asarray(-np.log(np.where(y == 1, clipped, 1 - clipped)))


# Measures that are the mean of a loss of each row; of the others, more is better.
_LOSSES: Mapping[str, Loss] = {
    "brier": lambda y, p: np.square(p - y),
    "log_loss": _log_loss,
    "mae": lambda y, v: np.abs(v - y),
    "rmse": lambda y, v: np.square(v - y),
}
MEASURES = ("auc", *_LOSSES)


class Comparison(NamedTuple):
    """A measure of two models on the same rows.

    Attributes
    ----------
    measure
        "auc", "brier", "log_loss", "mae" or "rmse".
    model, other
        The measure of both; None if the data do not define it.
    gain
        By how much the model is better: positive is better, also for errors.
    low, high
        The interval of `gain` (95 % by default): Student's t around it, with the deviation of the resamples.
    margin
        A loss up to this is accepted.
    verdict
        "better": the interval is above 0. "not worse": it is above -margin. "worse": it is below 0, and not above
        -margin. "undecided": none of these. "insufficient": fewer than five blocks, or no such measure.
    rows, blocks
        The number of rows and of blocks.
    more_rows
        About how many more rows like these would decide; None if the verdict is not "undecided".
    """

    measure: str
    model: float | None
    other: float | None
    gain: float | None
    low: float | None
    high: float | None
    margin: float
    verdict: str
    rows: int
    blocks: int
    more_rows: int | None


def compare_models(
    actual: ArrayLike,
    model: ArrayLike,
    other: ArrayLike,
    blocks: ArrayLike,
    *,
    measure: str = "auc",
    margin: float = 0.0,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Comparison:
    """Compare two models on the same rows by a paired block bootstrap.

    Parameters
    ----------
    actual
        Outcomes (0 or 1), or values for "mae" and "rmse", shape (n,).
    model, other
        The predictions of both models, shape (n,).
    blocks
        What rows that are alike share, shape (n,), such as the day.
    margin
        The loss that is accepted, in the unit of the measure, at least 0.
    resamples
        The number of resamples, at least 1,000.

    Raises
    ------
    DataError
        For another measure, a negative margin, or fewer resamples; if lengths differ or values are out of range.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> actual, days = rng.integers(0, 2, 3000), np.arange(3000) // 100
    >>> good, poor = 0.5 + 0.3 * (actual - 0.5), np.full(3000, 0.5)
    >>> found = compare_models(actual, good, poor, days, measure="brier", margin=0.01)
    >>> found.verdict, round(found.gain, 4)
    ('better', 0.1275)
    >>> compare_models(actual, good, good, days, margin=0.01).verdict
    'not worse'
    """
    _check(measure, margin, resamples)
    y, p, q, block = _arrays(actual, model, other, blocks, measure)
    number = int(block.max(initial=-1)) + 1
    names = (measure, *_whole(y, p, q, measure))
    unknown = Comparison(*names, None, None, None, margin, INSUFFICIENT, y.size, number, None)
    if number < _LEAST_BLOCKS or names[1] is None or names[2] is None:
        return unknown
    groups = min(number, _MOST_BLOCKS)
    rng = np.random.default_rng(seed)
    if groups < number:
        block = rng.permutation(np.arange(number) % groups)[block]
    weights = rng.multinomial(groups, np.full(groups, 1 / groups), size=resamples).astype(np.float64)
    gain = names[1] - names[2] if measure == "auc" else names[2] - names[1]
    differences = _gains(y, p, q, block, weights, measure)
    # Undefined where a resample has one class only.
    differences = differences[np.isfinite(differences)]
    if len(differences) < resamples / 2:
        return unknown
    # The resamples' deviation is that of a population of blocks: too small by the factor of Bessel.
    error = float(differences.std()) * math.sqrt(groups / (groups - 1))
    reach = _quantile(level, groups - 1) * error
    low, high = gain - reach, gain + reach
    verdict = _verdict(low, high, margin)
    more = _more_rows(gain, reach, margin, y.size) if verdict == UNDECIDED else None
    return Comparison(*names, gain, low, high, margin, verdict, y.size, number, more)


def _verdict(low: float, high: float, margin: float) -> str:
    if low > 0:
        return BETTER
    if low >= -margin and (margin > 0 or high <= 0 <= low):
        return NOT_WORSE
    return WORSE if high < 0 else UNDECIDED


def _more_rows(gain: float, reach: float, margin: float, rows: int) -> int | None:
    """Return about how many more rows would decide: the reach of the interval falls with the root of the rows.

    For example, with a gain of -0.004, a margin of 0.01 and a reach of 0.012 the interval should reach only to -0.01, by
    0.006, which is half: four times as many rows.
    """
    room = gain + margin if gain > -margin else -gain
    return math.ceil(rows * ((reach / room) ** 2 - 1)) if room > 0 else None


def _quantile(level: float, degrees: int) -> float:
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    return float(stdtrit(degrees, 0.5 + level / 2))


def _whole(y: Floats, p: Floats, q: Floats, measure: str) -> tuple[float | None, float | None]:
    one = np.ones((1, 1))
    block = np.zeros(y.size, dtype=np.intp)
    found = [float(_values(y, each, block, one, measure)[0]) if y.size else math.nan for each in (p, q)]
    return tuple(value if math.isfinite(value) else None for value in found)  # type: ignore[return-value]


def _gains(y: Floats, p: Floats, q: Floats, block: NDArray[np.intp], weights: Floats, measure: str) -> Floats:
    first, second = (_values(y, each, block, weights, measure) for each in (p, q))
    return first - second if measure == "auc" else second - first


def _values(y: Floats, p: Floats, block: NDArray[np.intp], weights: Floats, measure: str) -> Floats:
    """Return the measure of each resample, shape (resamples,), from the weights of blocks, shape (resamples, blocks)."""
    number = weights.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        if measure == "auc":
            pairs, yes, no = _pairs(y, p, block, number)
            return np.asarray(
                np.einsum("ri,ij,rj->r", weights, pairs, weights, optimize=True) / ((weights @ yes) * (weights @ no))
            )
        loss = np.bincount(block, weights=_LOSSES[measure](y, p), minlength=number)
        mean = (weights @ loss) / (weights @ np.bincount(block, minlength=number))
    return np.asarray(np.sqrt(mean) if measure == "rmse" else mean)


def _pairs(y: Floats, p: Floats, block: NDArray[np.intp], number: int) -> tuple[Floats, Floats, Floats]:
    """Return how many pairs of a positive of one block and a negative of another are in the right order; equal ones count half.

    With these, shape (blocks, blocks), and the numbers of both classes by block, the AUC of any resample of blocks is a
    quotient of sums, without a sort.
    """
    positive = y > 0
    scores, of_positive = p[positive], block[positive]
    pairs = np.zeros((number, number))
    for other in range(number):
        below = np.sort(p[~positive & (block == other)])
        if below.size and scores.size:
            rank = (np.searchsorted(below, scores, "left") + np.searchsorted(below, scores, "right")) / 2
            pairs[:, other] = np.bincount(of_positive, weights=rank, minlength=number)
    yes = np.bincount(of_positive, minlength=number).astype(np.float64)
    return pairs, yes, np.bincount(block[~positive], minlength=number).astype(np.float64)


def _arrays(
    actual: ArrayLike, model: ArrayLike, other: ArrayLike, blocks: ArrayLike, measure: str
) -> tuple[Floats, Floats, Floats, NDArray[np.intp]]:
    if measure in ("mae", "rmse"):
        y, p, q = finite_of(actual, "outcomes"), finite_of(model, "predictions"), finite_of(other, "predictions")
    else:
        y, p, q = outcomes_of(actual), probabilities_of(model), probabilities_of(other)
    check_lengths(y, p)
    check_lengths(y, q)
    block = block_numbers(blocks)
    if block.size != y.size:
        raise DataError(f"There are {y.size} rows and {block.size} blocks. Give the block of each row.")
    return y, p, q, block


def _check(measure: str, margin: float, resamples: int) -> None:
    if measure not in MEASURES:
        raise DataError(f"'{measure}' is not a measure that is compared. Measures: {listed(MEASURES, quoted=True)}.")
    if not margin >= 0:
        raise DataError(f"The margin is {margin}. Give the loss that is accepted, at least 0.")
    if resamples < 1000:
        raise DataError(f"{resamples} resamples are too few. Take at least 1,000.")
