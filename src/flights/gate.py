"""The acceptance gate: may this model be released?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Check", "Limits", "judge", "verdict"]


@dataclass(frozen=True)
class Limits:
    """The limits of the gate.

    Attributes
    ----------
    min_auc
        The floor of the AUC on held-out flights.
    min_gain
        The floor of the AUC above that of the carrier × hour base rate.
    max_calibration_error
        The ceiling of the calibration error on held-out flights.
    min_slice_rows
        Slices with fewer flights are not checked.
    min_slice_auc
        The floor of the AUC of each slice.
    max_slice_bias
        The ceiling of the difference between a slice's mean probability and its share of late flights.
    """

    min_auc: float
    min_gain: float
    max_calibration_error: float
    min_slice_rows: int
    min_slice_auc: float
    max_slice_bias: float


@dataclass(frozen=True)
class Check:
    """One check of the gate: a value and its limit."""

    name: str
    value: float
    limit: float
    passed: bool


def judge(
    model: Mapping[str, Any], base: Mapping[str, Any], slices: Sequence[Mapping[str, Any]], *, limits: Limits
) -> tuple[Check, ...]:
    """Run every check of the gate.

    Parameters
    ----------
    model, base
        `nbship.metrics.classification` of the model's and of the base rate's probabilities on the same flights.
    slices
        `nbship.metrics.by_slice` of the model's probabilities.
    """
    gain = model["auc"] - base["auc"]
    checks = [
        _at_least("AUC", model["auc"], limits.min_auc),
        _at_least("AUC above the carrier × hour base rate", gain, limits.min_gain),
        _at_most("Brier score, against that of the base rate", model["brier"], base["brier"]),
        _at_most("calibration error", model["calibration_error"], limits.max_calibration_error),
    ]
    for row in slices:
        if row["n"] < limits.min_slice_rows or row["auc"] is None:
            continue
        name = f"{row['slice']} {row['value']}"
        bias = abs(row["mean_probability"] - row["base_rate"])
        checks.append(_at_least(f"AUC of {name}", row["auc"], limits.min_slice_auc))
        checks.append(_at_most(f"bias of {name}", bias, limits.max_slice_bias))
    return tuple(checks)


def verdict(checks: Sequence[Check]) -> dict[str, Any]:
    """Return the verdict: whether the model passed, the reasons, and every check."""
    failed = [check for check in checks if not check.passed]
    reasons = [f"{check.name} is {check.value:.4f}, limit {check.limit:.4f}" for check in failed]
    return {
        "passed": not failed,
        "reasons": reasons or [f"all {len(checks)} checks passed"],
        "checks": [asdict(check) for check in checks],
    }


def _at_least(name: str, value: float, limit: float) -> Check:
    return Check(name, float(value), float(limit), bool(value >= limit))


def _at_most(name: str, value: float, limit: float) -> Check:
    return Check(name, float(value), float(limit), bool(value <= limit))
