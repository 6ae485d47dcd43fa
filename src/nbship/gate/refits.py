"""The candidate fitted again: on the same rows, which must give it again, and with other seeds and on other days.

A model that cannot be fitted again from its training rows was fitted on other ones: on the held-out rows, before a column
was mended, or by hand. And a difference from production says something only if it is larger than the difference between
two fits of one model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import block_numbers
from .checks import FAILED, INSUFFICIENT, PASSED, Check
from .evidence import Evidence
from .limits import Limits
from .rows import columns_fitted, days_of

__all__ = ["Refits", "fit_again", "mean_difference", "refit_checks"]

NAME = "fitted again"
_LEAST = 3
# Sums of floating point numbers in another order.
_ROUNDING = 1e-6
_DIGITS = 7
# A model without a seed differs from itself: by at most this multiple of what two of its fits differ.
_MOST_NOISE = 3.0


@dataclass(frozen=True)
class Refits:
    """Predictions of refits for the held-out rows.

    Attributes
    ----------
    same
        Of the refit on the same rows with the same seed; None if nothing was fitted again.
    seeds
        Of refits with other seeds. A model that a seed does not change has one.
    days
        Of refits on training days drawn with replacement.
    """

    same: NDArray[np.float64] | None = None
    seeds: tuple[NDArray[np.float64], ...] = ()
    days: tuple[NDArray[np.float64], ...] = ()

    @property
    def fits(self) -> int:
        """The number of refits."""
        return (self.same is not None) + len(self.seeds) + len(self.days)

    def noise(self) -> float | None:
        """Return the mean difference between two fits: the larger of other seeds and other days; None without refits."""
        if self.same is None:
            return None
        kinds = (kind for kind in (self.seeds, self.days) if kind)
        return max(
            (float(np.mean([mean_difference(each, self.same) for each in kind])) for kind in kinds), default=None
        )


def fit_again(evidence: Evidence, limits: Limits) -> Refits:
    """Fit the candidate again; with a model in production or no seed, also with other seeds and on other days."""
    if not limits.refits or not hasattr(evidence.estimator, "get_params"):
        return Refits()
    same = _fit(evidence)
    compared = evidence.production is not None
    unseeded = _differs(same, evidence.predicted) and None in _seeds(evidence.estimator).values()
    number = max(_LEAST, limits.refits)
    seeds = tuple(_other_seeds(evidence, same, limits, number)) if compared or unseeded else ()
    days = tuple(_other_days(evidence, limits, number)) if compared else ()
    return Refits(same, seeds, days)


def refit_checks(evidence: Evidence, refits: Refits) -> Iterator[Check]:
    """Check that fitting on the training rows gives the candidate again."""
    if refits.same is None:
        reason = "The candidate was not fitted again ('refits' is 0, or it is no estimator): whether these rows gave it is not known."
        yield Check(NAME, INSUFFICIENT, reason)
        return
    # Rounded: by hand, a sum may be added in another order than in the pipeline.
    difference = round(mean_difference(refits.same, evidence.predicted), _DIGITS)
    limit = _ROUNDING
    if None in _seeds(evidence.estimator).values() and refits.seeds:
        limit = max(limit, _MOST_NOISE * max(mean_difference(each, refits.same) for each in refits.seeds))
    if difference <= limit:
        yield Check(
            NAME,
            PASSED,
            f"Fitted again on the training rows, the candidate differs by {difference:.2g} on average.",
            difference,
            limit,
        )
        return
    reason = f"Fitted again on the training rows, the candidate predicts otherwise, by {difference:.4g} on average. It was fitted on other rows (held-out ones, or before they were mended), or changed later. Run the training stage again."
    yield Check(NAME, FAILED, reason, difference, limit)


def _differs(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return mean_difference(one, other) > _ROUNDING


def mean_difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the mean absolute difference of predictions."""
    return float(np.abs(one - other).mean())


def _seeds(estimator: Any) -> dict[str, Any]:
    return {name: value for name, value in estimator.get_params(deep=True).items() if name.endswith("random_state")}


def _other_seeds(
    evidence: Evidence, same: NDArray[np.float64], limits: Limits, number: int
) -> Iterator[NDArray[np.float64]]:
    names = _seeds(evidence.estimator)
    for count in range(number if names else 0):
        found = _fit(evidence, seeds=dict.fromkeys(names, limits.seed + 1_000 + count))
        yield found
        if not _differs(found, same):
            return


def _other_days(evidence: Evidence, limits: Limits, number: int) -> Iterator[NDArray[np.float64]]:
    days = days_of(evidence.train, evidence.signature)
    block = np.arange(len(evidence.train)) if days is None else block_numbers(days)
    blocks = int(block.max()) + 1
    for count in range(number):
        rng = np.random.default_rng([limits.seed, count])
        times = rng.multinomial(blocks, np.full(blocks, 1 / blocks))[block]
        yield _fit(evidence, rows=np.repeat(np.arange(len(block)), times))


def _fit(
    evidence: Evidence, rows: NDArray[np.intp] | None = None, *, seeds: Mapping[str, int] | None = None
) -> NDArray[np.float64]:
    from sklearn.base import clone

    estimator = clone(evidence.estimator).set_params(**(seeds or {}))
    frame, actual = columns_fitted(evidence.estimator, evidence.train), evidence.train_actual
    if rows is not None:
        frame, actual = frame.iloc[rows], actual[rows]
    classes = getattr(evidence.estimator, "classes_", None)
    estimator.fit(frame, actual if classes is None else np.asarray(classes)[(actual > 0).astype(int)])
    return evidence.predict(evidence.holdout, estimator)
