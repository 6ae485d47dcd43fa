"""The differential test: which rows production and the candidate predict differently, and by how much."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checks import FAILED, INSUFFICIENT, PASSED, Check
from .evidence import Evidence
from .limits import Limits
from .refits import Refits, mean_difference

__all__ = ["difference_checks", "row_differences"]

NAME = "differences from production"
_WORST = 20


def row_differences(evidence: Evidence, refits: Refits) -> dict[str, Any] | None:
    """Return the differences of the rows that production can be compared on; None without any.

    Returns
    -------
    dict
        `rows`; `mean`, `p50`, `p99` and `max` of the absolute differences; `flips`, `negative_flips` and
        `positive_flips`: the shares of rows whose label changed, became wrong, became right (None for values);
        `noise`: the mean difference of refits, and `noise_seeds` and `noise_days`, that of each; `fits`; and `worst`, the
        twenty rows with the largest differences: their inputs without personal data, `actual`, `production` and `candidate`.
    """
    rows, before = evidence.answered
    if not len(rows):
        return None
    after, actual = evidence.predicted[rows], evidence.actual[rows]
    size = np.abs(after - before)
    median, high = (float(value) for value in np.quantile(size, (0.5, 0.99)))
    order = np.argsort(-size, kind="stable")[:_WORST]
    names = [name for name in evidence.names if name not in evidence.signature.personal]
    frame = evidence.holdout.iloc[rows[order]][names]
    return {
        "rows": len(rows), "mean": float(size.mean()), "p50": median, "p99": high, "max": float(size.max()),
        **_flips(evidence, before, after, actual),
        "noise": refits.noise(),
        "noise_seeds": _means(refits, refits.seeds), "noise_days": _means(refits, refits.days),
        "fits": refits.fits,
        "worst": [
            {**_plain(record), "actual": float(actual[k]), "production": float(before[k]), "candidate": float(after[k])}
            for k, record in zip(order, frame.to_dict("records"), strict=True)
        ],
    }  # fmt: skip


def _means(refits: Refits, others: tuple[NDArray[np.float64], ...]) -> list[float]:
    return [] if refits.same is None else [mean_difference(each, refits.same) for each in others]


def _flips(evidence: Evidence, before: Any, after: Any, actual: Any) -> dict[str, Any]:
    if evidence.kind == "value":
        return {"flips": None, "negative_flips": None, "positive_flips": None}
    was, now, truth = before >= evidence.threshold, after >= evidence.threshold, actual > 0
    return {
        "flips": float(np.mean(was != now)),
        "negative_flips": float(np.mean((was == truth) & (now != truth))),
        "positive_flips": float(np.mean((was != truth) & (now == truth))),
    }


def _plain(record: dict[Any, Any]) -> dict[str, Any]:
    """Return values that JSON can hold."""
    return {str(name): _value(value) for name, value in record.items()}


def _value(value: Any) -> Any:
    if value is None or value != value:
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value


def difference_checks(found: dict[str, Any] | None, limits: Limits) -> Iterator[Check]:
    """Check that the differences are not many times those of two fits of one model."""
    if found is None:
        return
    if found["noise"] is None:
        reason = "The candidate was not fitted again: whether it differs from production more than two fits of one model is not known."
        yield Check(NAME, INSUFFICIENT, reason, found["mean"])
        return
    limit = limits.max_difference * found["noise"]
    flips = (
        ""
        if found["flips"] is None
        else f" {found['flips']:.1%} of the labels change, {found['negative_flips']:.1%} to wrong ones."
    )
    what = f"Predictions differ from production's by {found['mean']:.4g} on average, those of two fits by {found['noise']:.4g}."
    if found["mean"] <= limit:
        yield Check(NAME, PASSED, what + flips, found["mean"], limit)
        return
    reason = f"{what}{flips} That is more than {limits.max_difference:.4g} times as much. Look at the rows under 'worst'; if the change is intended, raise 'max_difference'."
    yield Check(NAME, FAILED, reason, found["mean"], limit)
