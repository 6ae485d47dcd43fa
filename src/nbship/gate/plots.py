"""Figures of the gate's report: each function returns a matplotlib figure, or None without data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .measures import TITLES
from .report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_differences", "plot_gains", "plot_slices"]

_GOOD, _OPEN, _BAD, _LINE = "#4c9f70", "#e6a23c", "#d1495b", "#444444"
_COLOURS = {"better": _GOOD, "not worse": _GOOD, "undecided": _OPEN, "worse": _BAD}
_MOST_SLICES = 30


def plot_gains(report: Report) -> Figure | None:
    """Plot by how much the candidate is better than the baseline, simpler models and production, with 95 % intervals."""
    known = {name: each for name, each in report.comparisons.items() if each["low"] is not None}
    if not known:
        return None
    figure, axes = _axes(0.9 + 0.5 * len(known))
    for name, each in known.items():
        _interval(axes, name, each["gain"], each["low"], each["high"], _COLOURS[each["verdict"]])
    margin = known["production"]["margin"] if "production" in known else 0.0
    if margin:
        axes.axvline(-margin, color=_LINE, linestyle=":", label=f"accepted loss, {margin:.3g}")
        axes.legend(loc="lower right", frameon=False)
    axes.set(xlabel=f"gain in {TITLES[report.measure]} (to the right: the candidate is better)")
    return figure


def plot_slices(report: Report) -> Figure | None:
    """Plot the bias of each slice with its 95 % interval, the largest first; the diamonds are shrunk."""
    rows = sorted(report.slices, key=lambda row: -abs(row["bias_shrunk"]))[:_MOST_SLICES]
    if not rows:
        return None
    figure, axes = _axes(0.9 + 0.24 * len(rows))
    for row in rows:
        name, reach = f"{row['slice']} {row['value']}", 2 * (row["bias_error"] or 0.0)
        _interval(axes, name, row["bias"], row["bias"] - reach, row["bias"] + reach, "#9aa5b1")
        axes.plot([row["bias_shrunk"]], [name], marker="D", color="#2563a8", markersize=5)
    axes.set(xlabel="mean prediction minus mean outcome (± 2 standard errors by block)")
    return figure


def plot_differences(report: Report) -> Figure | None:
    """Plot the mean difference of rows from production beside the differences of refits; None without production."""
    found = report.differences
    if not found:
        return None
    bars = {"candidate and production": found["mean"]}
    bars |= {f"refit, other seed {k}": value for k, value in enumerate(found["noise_seeds"], 1)}
    bars |= {f"refit, other days {k}": value for k, value in enumerate(found["noise_days"], 1)}
    figure, axes = _axes(0.9 + 0.34 * len(bars))
    axes.barh(list(bars), list(bars.values()), color=["#2563a8", *["#9aa5b1"] * (len(bars) - 1)])
    axes.set(xlabel="mean absolute difference of predictions")
    return figure


def _interval(axes: Axes, name: str, value: float, low: float, high: float, colour: str) -> None:
    axes.plot([low, high], [name, name], color=colour, linewidth=2, zorder=2)
    axes.plot([value], [name], marker="o", color=colour, zorder=3)


def _axes(height: float) -> tuple[Figure, Any]:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, height), layout="constrained")
    axes.invert_yaxis()
    axes.axvline(0, color=_LINE, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    # The notebook shows the figure that a cell returns; pyplot would show it once more.
    plt.close(figure)
    return figure, axes
