"""The training rows: their time, rows shared with the held-out ones, inputs that give the label away, and changed units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...metrics import block_auc
from ...model import ColumnFeatures
from ...model.build import row_hashes
from ...model.signature import columns_of, compute
from ..checks import FAILED, INSUFFICIENT, PASSED, Check
from ..evidence import Evidence
from ..limits import Limits
from ..rows import days_of

if TYPE_CHECKING:
    pass

__all__ = ["split_checks"]

# Rows that are equal by chance, beyond as many as are equal within the training rows.
_MOST_SHARED = 0.01
_LEAST_GROUP = 20


def split_checks(evidence: Evidence, limits: Limits) -> Iterator[Check]:
    """Check the training rows beside the held-out ones."""
    yield _window(evidence, limits)
    yield _shared(evidence)
    yield _range(evidence, limits)
    if evidence.kind == "probability":
        yield _alone(evidence, limits)


def _window(evidence: Evidence, limits: Limits) -> Check:
    name = "training window"
    train, holdout = (days_of(frame, evidence.signature) for frame in (evidence.train, evidence.holdout))
    if train is None or holdout is None:
        return Check(
            name, INSUFFICIENT, "The signature has no event time: whether the training rows are recent is not known."
        )
    last, first = (str(np.datetime64(int(day), "D")) for day in (train.max(), holdout.min()))
    # The held-out rows start on the day after the last training row.
    gap, limit = float(max(0, holdout.min() - train.max() - 1)), limits.max_gap_days
    before = evidence.production.record.get("last_day") if evidence.production else None
    if gap > limit:
        reason = f"The last training row is of {last}, {gap:.0f} days before the held-out rows ({first}), limit {limit:.0f}. Train on the rows until then."
        return Check(name, FAILED, reason, gap, limit)
    if before and last < before:
        reason = f"The training rows end on {last}, before those of production ({before}). Train on newer rows."
        return Check(name, FAILED, reason, gap, limit)
    return Check(name, PASSED, f"The training rows end on {last}, {gap:.0f} days before the held-out rows.", gap, limit)


def _shared(evidence: Evidence) -> Check:
    name = "rows shared with training"
    hashes = [row_hashes(columns_of(frame[evidence.names])) for frame in (evidence.train, evidence.holdout)]
    again = 1 - len(np.unique(hashes[0])) / len(hashes[0])
    share, limit = float(np.isin(hashes[1], hashes[0]).mean()), _MOST_SHARED + again
    if share <= limit:
        return Check(name, PASSED, f"{share:.2%} of the held-out rows are training rows too.", share, limit)
    reason = f"{share:.1%} of the held-out rows are training rows too, limit {limit:.1%}. Split the rows by time before anything is fitted."
    return Check(name, FAILED, reason, share, limit)


def _range(evidence: Evidence, limits: Limits) -> Check:
    """Check each number: a unit that changed between training and held-out rows leaves the range of the training rows."""
    name, worst = "held-out rows in the range of training", ("", 0.0)
    train, holdout = (columns_of(frame[evidence.names]) for frame in (evidence.train, evidence.holdout))
    for field in evidence.names:
        known = train[field]
        # Numbers that identify a row, such as those of orders, go on.
        if known.dtype.kind not in "if" or evidence.signature[field].key:
            continue
        now = holdout[field][np.isfinite(holdout[field].astype(float))]
        known = known[np.isfinite(known.astype(float))]
        if len(now) and len(known):
            low, high = np.quantile(known, (0.001, 0.999))
            worst = max(worst, (field, float(np.mean((now < low) | (now > high)))), key=lambda pair: pair[1])
    share, limit = worst[1], limits.max_outside
    if share <= limit:
        what = f" (most: '{worst[0]}')" if worst[0] else ""
        return Check(
            name,
            PASSED,
            f"At most {share:.1%} of the held-out rows are outside the range of the training rows{what}.",
            share,
            limit,
        )
    reason = f"{share:.0%} of the held-out rows have a '{worst[0]}' outside the range of the training rows, limit {limit:.0%}. Look for a changed unit; train on rows of the same season."
    return Check(name, FAILED, reason, share, limit)


def _alone(evidence: Evidence, limits: Limits) -> Check:
    """Check each input and feature alone: none may give the label away."""
    name, best = "no input gives the label away", ("", 0.5)
    inputs = columns_of(evidence.train[evidence.names])
    columns: dict[str, Any] = {**inputs, **_features(evidence.estimator, inputs)}
    for field, values in columns.items():
        for what, scores in _scores(values, evidence.train_actual):
            area = _area(evidence.train_actual, scores)
            best = max(best, (f"'{field}'{what}", area), key=lambda pair: pair[1])
    limit = limits.max_alone
    if best[1] <= limit:
        return Check(
            name, PASSED, f"Alone, no input has an AUC above {best[1]:.3f} ({best[0] or 'none'}).", best[1], limit
        )
    reason = f"Alone, {best[0]} has an AUC of {best[1]:.3f} in training, limit {limit:.3g}. It is known only after the event, or holds the label: leave it out."
    return Check(name, FAILED, reason, best[1], limit)


def _features(estimator: Any, inputs: Any) -> dict[str, NDArray[Any]]:
    first = estimator.steps[0][1] if getattr(estimator, "steps", None) else estimator
    if not isinstance(first, ColumnFeatures):
        return {}
    found = compute(first.function, inputs)
    # Features that are inputs unchanged are judged once.
    return {f"{name} (feature)": np.asarray(values) for name, values in found.items() if name not in inputs}


def _scores(values: Any, actual: NDArray[np.float64]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield what a column alone says about the label: its order, the rate of each of its values, and that it is missing."""
    import pandas as pd

    missing = pd.isna(values)
    if missing.any() and not missing.all():
        yield " (missing)", missing.astype(np.float64)
    if values.dtype.kind in "iufbM":
        numbers = values.astype(np.float64) if values.dtype.kind != "M" else values.astype("int64").astype(np.float64)
        known = np.where(missing, np.nan, numbers)
        yield "", np.where(missing, np.nanmedian(known) if not missing.all() else 0.0, known)
    else:
        yield " (its values)", _rates(pd.factorize(values)[0], actual)


def _rates(codes: NDArray[np.int64], actual: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rate of each value among the other half of the rows, drawn to that of all: no row knows its own label."""
    codes, half = codes + 1, np.arange(len(codes)) % 2
    found, number = np.empty(len(codes)), int(codes.max(initial=0)) + 1
    for side in (0, 1):
        rows = half != side
        count = np.bincount(codes[rows], minlength=number)
        total = np.bincount(codes[rows], weights=actual[rows], minlength=number)
        rate = (total + _LEAST_GROUP * actual.mean()) / (count + _LEAST_GROUP)
        found[half == side] = rate[codes[half == side]]
    return found


def _area(actual: NDArray[np.float64], scores: ArrayLike) -> float:
    ranks = np.unique(scores, return_inverse=True)[1]
    found = block_auc(actual, ranks / max(1, ranks.max(initial=0)), np.zeros(len(actual), dtype=int)).value
    return 0.5 if found is None else max(found, 1 - found)
