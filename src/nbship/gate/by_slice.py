"""Each declared slice: its AUC, its bias, and its rows that became wrong, corrected for the number of slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..metrics import Estimate, block_auc, block_mean, holm, shrunk, slice_rows
from .checks import FAILED, INSUFFICIENT, PASSED, Check
from .evidence import Evidence
from .limits import Limits

__all__ = ["SliceTable", "measure_slices", "slice_checks"]

_LEAST_BLOCKS = 5
_ALPHA = 0.05


class SliceTable(NamedTuple):
    """The measures of every slice that has enough rows and blocks.

    Attributes
    ----------
    rows
        One record per slice: `slice`, `value`, `n`, `base_rate`, `mean`, `auc`, `auc_error`, `auc_shrunk`, `bias`,
        `bias_error`, `bias_shrunk`; with production `flips` (share of rows that became wrong, minus that became right),
        `negative_flips`, `positive_flips`, `flips_error` and `flips_p`, corrected by Holm.
    left_out
        The number of slices with too few rows or blocks.
    """

    rows: list[dict[str, Any]]
    left_out: int


def measure_slices(evidence: Evidence, limits: Limits) -> SliceTable:
    """Measure every slice."""
    found, left_out = [], 0
    with_answer, answers = evidence.answered
    now = np.full(len(evidence.actual), np.nan)
    now[with_answer] = answers
    for column, value, rows in slice_rows(evidence.holdout, evidence.slices):
        if len(rows) < limits.min_slice_rows or len(np.unique(evidence.block[rows])) < _LEAST_BLOCKS:
            left_out += 1
            continue
        found.append({"slice": column, "value": value, **_measures(evidence, rows), **_flips(evidence, rows, now)})
    for name in ("auc", "bias"):
        some = [row for row in found if row.get(name) is not None]
        for row, drawn in zip(some, shrunk([_estimate(row, name) for row in some]), strict=True):
            row[f"{name}_shrunk"] = drawn
    some = [row for row in found if row.get("flips") is not None]
    p_values = holm([_one_sided(_estimate(row, "flips")) for row in some])
    for row, p_value in zip(some, p_values, strict=True):
        row["flips_p"] = p_value
    return SliceTable(found, left_out)


def _measures(evidence: Evidence, rows: NDArray[np.intp]) -> dict[str, Any]:
    y, p, block = evidence.actual[rows], evidence.predicted[rows], evidence.block[rows]
    bias = block_mean(p - y, block)
    auc = block_auc(y, p, block) if evidence.kind == "probability" else Estimate(None, None, 0, 0, None)
    return {
        "n": len(rows), "blocks": bias.blocks, "base_rate": float(y.mean()), "mean": float(p.mean()),
        "auc": auc.value, "auc_error": auc.error, "auc_shrunk": None,
        "bias": bias.value, "bias_error": bias.error, "bias_shrunk": None,
    }  # fmt: skip


def _flips(evidence: Evidence, rows: NDArray[np.intp], now: NDArray[np.float64]) -> dict[str, Any]:
    rows = rows[np.isfinite(now[rows])]
    if evidence.production is None or evidence.kind == "value" or len(np.unique(evidence.block[rows])) < _LEAST_BLOCKS:
        return {}
    right, was_right = (_is_right(evidence, values[rows], rows) for values in (evidence.predicted, now))
    net = block_mean((was_right & ~right).astype(float) - (right & ~was_right), evidence.block[rows])
    return {
        "flips": net.value, "flips_error": net.error, "flips_blocks": net.blocks, "flips_p": None,
        "negative_flips": float(np.mean(was_right & ~right)), "positive_flips": float(np.mean(right & ~was_right)),
    }  # fmt: skip


def _is_right(evidence: Evidence, values: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    return np.asarray((values >= evidence.threshold) == (evidence.actual[rows] > 0))


def _estimate(row: dict[str, Any], name: str) -> Estimate:
    return Estimate(row[name], row[f"{name}_error"], row.get(f"{name}_blocks", row["blocks"]), row["n"], None)


def _one_sided(estimate: Estimate) -> float:
    p_value = estimate.p_value(0.0)
    return p_value / 2 if (estimate.value or 0.0) > 0 else 1 - p_value / 2


def slice_checks(evidence: Evidence, table: SliceTable, limits: Limits) -> Iterator[Check]:
    """Check the worst slice of each slicing column."""
    for column in evidence.slices:
        rows = [row for row in table.rows if row["slice"] == column]
        if not rows:
            reason = f"No slice of '{column}' has {limits.min_slice_rows:,} rows and {_LEAST_BLOCKS} blocks. Hold out more rows, or lower 'min_slice_rows'."
            yield Check(f"slices of {column}", INSUFFICIENT, reason)
            continue
        if limits.min_slice_auc is not None:
            yield from _auc(column, rows, limits.min_slice_auc)
        if limits.max_slice_bias is not None:
            yield _bias(column, rows, limits.max_slice_bias)
        if limits.max_slice_flips is not None:
            yield from _flip(column, rows, limits.max_slice_flips)


def _auc(column: str, rows: Sequence[dict[str, Any]], limit: float) -> Iterator[Check]:
    known = [row for row in rows if row["auc_shrunk"] is not None]
    if not known:
        return
    worst = min(known, key=lambda row: row["auc_shrunk"])
    yield _check(f"AUC by {column}", worst, "auc", limit, good=worst["auc_shrunk"] >= limit)


def _bias(column: str, rows: Sequence[dict[str, Any]], limit: float) -> Check:
    worst = max(rows, key=lambda row: abs(row["bias_shrunk"]))
    return _check(f"bias by {column}", worst, "bias", limit, good=abs(worst["bias_shrunk"]) <= limit)


def _check(name: str, row: dict[str, Any], key: str, limit: float, *, good: bool) -> Check:
    what = f"{name}: the worst slice is '{row['value']}' with {row[f'{key}_shrunk']:.4g} (measured {row[key]:.4g}, {row['n']:,} rows), limit {limit:.4g}."
    interval = _estimate(row, key).interval()
    if good:
        return Check(name, PASSED, what, row[f"{key}_shrunk"], limit, interval)
    reason = f"{what} Look at the labels and features of this slice, and at its rows in training."
    return Check(name, FAILED, reason, row[f"{key}_shrunk"], limit, interval)


def _flip(column: str, rows: Sequence[dict[str, Any]], limit: float) -> Iterator[Check]:
    known = [row for row in rows if row.get("flips") is not None]
    if not known:
        return
    name, worst = f"negative flips by {column}", max(known, key=lambda row: (row["flips_p"] <= _ALPHA, row["flips"]))
    interval = _estimate(worst, "flips").interval()
    what = f"{name}: of the rows of '{worst['value']}', {worst['negative_flips']:.1%} were right in production and are wrong now, {worst['positive_flips']:.1%} the reverse"
    if worst["flips_p"] > _ALPHA or worst["flips"] <= limit:
        yield Check(name, PASSED, f"{what}.", worst["flips"], limit, interval)
        return
    reason = f"{what}; the difference is above the limit {limit:.4g}. Look at the labels of this slice in training."
    yield Check(name, FAILED, reason, worst["flips"], limit, interval)
