"""Figures of a report: each function takes the report and returns a matplotlib figure, or None without data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .verdict import ALERT, INSUFFICIENT, NOTICE, OK, WARNING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "by_day",
    "by_slice",
    "calibration",
    "distributions",
    "input_drift",
    "over_windows",
    "predictions",
    "requests",
    "resources",
]

_COLOURS = {OK: "#4c9f70", NOTICE: "#5b8db8", INSUFFICIENT: "#a9b0b7", WARNING: "#e6a23c", ALERT: "#d1495b"}
_BEFORE, _NOW, _TRUTH = "#9aa5b1", "#2563a8", "#d1495b"
_MOST_DATES = 9
# Smaller indices are drawn as this one, on a logarithmic scale.
_LEAST_INDEX = 0.001


def input_drift(report: Mapping[str, Any]) -> Figure | None:
    """Plot the stability index of each input beside its limit, the one nearest to its limit on top, coloured by verdict.

    Reports of format 1 have no limits.
    """
    records = [r for r in (*report["drift"], *report.get("given", ())) if r.get("psi") is not None]
    if not records:
        return None
    records.sort(key=_nearness)
    figure, axes = _axes(width=8, height=0.9 + 0.28 * len(records))
    sizes = [max(r["psi"], _LEAST_INDEX) for r in records]
    axes.barh([r["field"] for r in records], sizes, color=[_COLOURS[r["verdict"]] for r in records])
    limits = [(place, r["history"]["limit"]) for place, r in enumerate(records) if r.get("history")]
    if limits:
        axes.plot([limit for _, limit in limits], [place for place, _ in limits], linestyle="", marker="|", markersize=12, markeredgewidth=2, color="black", label="limit of past periods")  # fmt: skip
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False)
    axes.set_xscale("log")
    axes.set(xlim=(_LEAST_INDEX, None), xlabel="Population stability index against the training data (log scale)")
    return figure


def _nearness(record: Mapping[str, Any]) -> float:
    """Return the index of an input as a multiple of its limit."""
    history = record.get("history")
    return float(record["psi"]) / (history["limit"] if history else 1.0)


def predictions(report: Mapping[str, Any]) -> Figure | None:
    """Plot the distribution of the predictions, in the window and in the reference."""
    record = report["prediction_drift"]
    if not record.get("distribution"):
        return None
    figure, axes = _axes(width=8, height=2.8)
    _shares(axes, record["distribution"])
    axes.set(xlabel="Prediction", ylabel="Share of rows")
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return figure


def calibration(report: Mapping[str, Any]) -> Figure | None:
    """Plot the calibration curve of the labelled rows, in ten bins."""
    curve = report["performance"].get("calibration")
    if not curve:
        return None
    figure, axes = _axes(width=4.6, height=3.6)
    end = max(max(point["probability"], point["rate"]) for point in curve) * 1.08 or 1.0
    axes.plot([0, end], [0, end], color=_BEFORE, linewidth=1, linestyle="--", label="perfect calibration")
    axes.plot([point["probability"] for point in curve], [point["rate"] for point in curve], color=_NOW, marker="o", label="this window")  # fmt: skip
    axes.set(xlabel="Mean probability", ylabel="Observed rate", xlim=(0, end), ylim=(0, end))
    axes.legend(frameon=False)
    return figure


def distributions(report: Mapping[str, Any], *, most: int = 6) -> Figure | None:
    """Plot the distributions of the inputs that drifted most, in the window and in the reference."""
    both = (*report["drift"], *report.get("given", ()))
    records = [r for r in both if r["verdict"] in (WARNING, ALERT) and r.get("distribution")]
    records = sorted(records, key=lambda r: -_nearness(r))[:most]
    if not records:
        return None
    import matplotlib.pyplot as plt

    rows = (len(records) + 1) // 2
    figure, grid = plt.subplots(rows, 2, figsize=(9, 2.6 * rows), layout="constrained", squeeze=False)
    for axes, record in zip(grid.flat, records, strict=False):
        _plain(axes)
        _shares(axes, record["distribution"])
        axes.set_title(f"{record['field']} (index {record['psi']:.2f})", loc="left", fontsize=10)
    for axes in list(grid.flat)[len(records) :]:
        axes.remove()
    grid[0, 0].legend(frameon=False, fontsize=8)
    return _done(figure)


def by_day(report: Mapping[str, Any]) -> Figure | None:
    """Plot the rows per day, and the daily means of predictions and outcomes."""
    days = report["volume"]["days"]
    if not days:
        return None
    import matplotlib.pyplot as plt

    figure, (top, bottom) = plt.subplots(2, 1, figsize=(8, 4), sharex=True, layout="constrained", height_ratios=(1, 2))
    positions = range(len(days))
    top.bar(positions, [day["rows"] for day in days], color=_BEFORE)
    top.set_ylabel("Rows")
    bottom.plot(positions, _gaps(days, "mean_predicted"), color=_NOW, marker=".", label="mean prediction")
    if any(day["labelled"] for day in days):
        bottom.plot(positions, _gaps(days, "mean_actual"), color=_TRUTH, marker=".", label="observed")
    bottom.set(ylabel="Daily mean", ylim=(0, None))
    bottom.legend(frameon=False)
    step = max(1, -(-len(days) // 12))
    bottom.set_xticks(positions[::step], [day["date"][5:] for day in days[::step]])
    for axes in (top, bottom):
        _plain(axes)
    return _done(figure)


def by_slice(report: Mapping[str, Any]) -> Figure | None:
    """Plot the mean prediction and the observed rate of each slice; findings are coloured."""
    names = list(dict.fromkeys(row["slice"] for row in report["slices"]))
    groups = [[row for row in report["slices"] if row["slice"] == name and row["n"]] for name in names]
    shown = [(name, rows) for name, rows in zip(names, groups, strict=True) if len(rows) > 1]
    if not shown:
        return None
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(
        len(shown), 1, figsize=(8, 2.3 * len(shown)), layout="constrained", squeeze=False, sharey=True
    )
    for axes, (name, rows) in zip(grid.flat, shown, strict=True):
        _plain(axes)
        _slice(axes, rows)
        axes.set_title(f"by {name}", loc="left", fontsize=10)
    grid[0, 0].legend(frameon=False, fontsize=8, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    return _done(figure)


def over_windows(report: Mapping[str, Any]) -> Figure | None:
    """Plot performance and the number of drifted inputs over the windows."""
    rows = report["trend"]
    if len(rows) < 2:
        return None
    import matplotlib.pyplot as plt

    measure = "auc" if "auc" in rows[-1] else "mae"
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.6), layout="constrained")
    positions, names = range(len(rows)), [row["from"] for row in rows]
    values = [_or_nan(row.get(measure)) for row in rows]
    held_out = (report["performance"]["reference"] or {}).get(measure)
    left.plot(positions, values, color=_NOW, marker="o", label="window")
    if held_out is not None:
        left.axhline(held_out, color=_BEFORE, linewidth=1, linestyle="--", label="held-out data")
    left.legend(frameon=False, fontsize=8)
    if measure == "auc":
        left.set_ylim(0.5, 1.0)  # from chance to perfect: small changes look small
    left.set_title({"auc": "AUC", "mae": "Mean absolute error"}[measure], loc="left", fontsize=10)
    right.bar(positions, [row["inputs_moved"] for row in rows], color=[_COLOURS[row["verdict"]] for row in rows])
    right.set_title("Inputs that drifted", loc="left", fontsize=10)
    for axes in (left, right):
        _plain(axes)
        # Every so many windows, counted from the last one, so that their dates do not overlap.
        shown = positions[:: -max(1, -(-len(rows) // _MOST_DATES))]
        axes.set_xticks(shown, [names[place] for place in shown], rotation=30, ha="right")
    return _done(figure)


def requests(report: Mapping[str, Any]) -> Figure | None:
    """Plot the requests to the service by day, with the failed ones, and their latency."""
    days = report["service"].get("days")
    if not days:
        return None
    figure, top, bottom = _two_by_day(days)
    positions = range(len(days))
    top.bar(positions, [day["requests"] for day in days], color=_BEFORE, label="requests")
    top.bar(positions, [day["errors"] for day in days], color=_TRUTH, label="failed")
    top.set_ylabel("Requests")
    for name, label, colour in (("p50", "median", _BEFORE), ("p95", "95th percentile", _NOW)):
        bottom.plot(positions, [_or_nan(day[name]) for day in days], color=colour, marker=".", label=label)
    bottom.set(ylabel="Latency in ms", ylim=(0, None))
    return _with_legends(figure, top, bottom)


def resources(report: Mapping[str, Any]) -> Figure | None:
    """Plot CPU time and memory of the service's processes by day."""
    days = report["service"].get("resources", {}).get("days")
    if not days:
        return None
    figure, top, bottom = _two_by_day(days)
    positions = range(len(days))
    top.bar(positions, [day["cpu_seconds"] for day in days], color=_BEFORE)
    top.set_ylabel("CPU seconds")
    bottom.plot(positions, [day["memory_bytes"] / 1e6 for day in days], color=_NOW, marker=".", label="largest process")
    bottom.set(ylabel="Memory in MB", ylim=(0, None))
    return _with_legends(figure, bottom)


def _two_by_day(days: Sequence[Mapping[str, Any]]) -> tuple[Figure, Axes, Axes]:
    """Return a figure with two axes whose ticks are dates."""
    import matplotlib.pyplot as plt

    figure, (top, bottom) = plt.subplots(2, 1, figsize=(8, 4), sharex=True, layout="constrained")
    step = max(1, -(-len(days) // 12))
    bottom.set_xticks(range(0, len(days), step), [day["date"][5:] for day in days[::step]])
    return _done(figure), top, bottom


def _with_legends(figure: Figure, *axes: Axes) -> Figure:
    for each in figure.axes:
        _plain(each)
    for each in axes:
        each.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return figure


def _slice(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    positions = range(len(rows))
    predicted, actual = ("mean_probability", "base_rate") if "base_rate" in rows[0] else ("mean_value", "mean_actual")
    axes.bar(positions, [row[actual] for row in rows], color=[_bar_colour(row) for row in rows], label="observed")
    axes.plot(positions, [row[predicted] for row in rows], linestyle="", marker="_", markersize=14, markeredgewidth=2.5, color=_NOW, label="mean prediction")  # fmt: skip
    axes.set_xticks(positions, ["missing" if row["value"] is None else str(row["value"]) for row in rows])
    axes.set_xlim(-0.7, max(len(rows), 8) - 0.3)  # few bars stay slim
    axes.tick_params(axis="x", labelrotation=90 if max(len(str(row["value"])) for row in rows) > 4 else 0)


def _bar_colour(row: Mapping[str, Any]) -> str:
    return (
        _BEFORE if row["verdict"] == OK else "#d9dde1" if row["verdict"] == INSUFFICIENT else _COLOURS[row["verdict"]]
    )


def _shares(axes: Axes, bars: Sequence[Mapping[str, Any]]) -> None:
    import numpy as np

    positions = np.arange(len(bars))
    axes.bar(positions - 0.2, [bar["reference"] for bar in bars], width=0.4, color=_BEFORE, label="training data")
    axes.bar(positions + 0.2, [bar["current"] for bar in bars], width=0.4, color=_NOW, label="this window")
    long = len(bars) > 6 or max(len(bar["label"]) for bar in bars) > 6
    axes.set_xticks(
        positions, [bar["label"] for bar in bars], rotation=60 if long else 0, ha="right" if long else "center"
    )
    axes.tick_params(axis="x", labelsize=8)


def _gaps(days: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [_or_nan(day[name]) for day in days]


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _axes(*, width: float, height: float) -> tuple[Figure, Axes]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    _plain(axes)
    return _done(figure), axes


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _done(figure: Figure) -> Figure:
    # Off pyplot's list, the figure is shown once, by the cell that returns it, and its memory is freed.
    import matplotlib.pyplot as plt

    plt.close(figure)
    return figure
