"""Figures of the notebooks, in one style and reproducible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "GREY",
    "ORANGE",
    "bars",
    "calibration",
    "curves",
    "heatmap",
    "late_rate",
    "panels",
    "slices",
    "use_style",
]

BLUE, ORANGE, GREY, INK = "#2f6f9f", "#d9772b", "#b8bec6", "#2b2f36"

_STYLE: Any = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e8ebee",
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
}


def use_style() -> None:
    """Set the style of all figures of a notebook."""
    import matplotlib as mpl

    mpl.rcParams.update(_STYLE)


def bars(rates: pd.Series, *, title: str, xlabel: str, overall: float, axes: Axes | None = None) -> Figure:
    """Draw the share of late flights of each group, and the overall share as a line."""
    figure, axes = _axes(axes)
    axes.bar([str(name) for name in rates.index], rates.to_numpy(), color=BLUE, width=0.75)
    axes.axhline(overall, color=ORANGE, linewidth=1.5, label=f"all flights, {overall:.0%}")
    axes.set(title=title, xlabel=xlabel, ylabel="late or never")
    axes.yaxis.set_major_formatter(_percent())
    axes.grid(axis="x", visible=False)
    axes.legend(loc="upper left")
    axes.margins(y=0.18)
    return figure


def late_rate(frame: pd.DataFrame, by: str, *, bins: Sequence[float] | None = None) -> pd.Series:
    """Return the share of late flights by a column, or by bins of it; groups of fewer than 100 flights are dropped."""
    import pandas as pd

    keys = frame[by] if bins is None else pd.cut(frame[by], list(bins), right=False).map(_range, na_action="ignore")
    groups = frame.groupby(keys, observed=True)["late"].agg(["mean", "size"])
    rates: pd.Series = groups.loc[groups["size"] >= 100, "mean"]
    return rates


def heatmap(table: pd.DataFrame, *, title: str, xlabel: str, ylabel: str) -> Figure:
    """Draw a table of shares as colours."""
    figure, axes = _axes(None)
    image = axes.imshow(table.to_numpy(), aspect="auto", cmap="YlOrRd", vmin=0)
    axes.set_xticks(range(table.shape[1]), [str(name) for name in table.columns])
    axes.set_yticks(range(table.shape[0]), [str(name) for name in table.index])
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.grid(visible=False)
    figure.colorbar(image, ax=axes, format=_percent(), label="late or never")
    return figure


def calibration(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Draw the calibration curves from `nbship.metrics.calibration_curve`."""
    figure, axes = _axes(None, size=(5.2, 4.6))
    top = max(max(point["probability"], point["rate"]) for curve in curves.values() for point in curve) * 1.05
    axes.plot([0, top], [0, top], color=GREY, linestyle="--", linewidth=1, label="perfect")
    for (name, curve), color in zip(curves.items(), (BLUE, ORANGE), strict=False):
        axes.plot([p["probability"] for p in curve], [p["rate"] for p in curve], "o-", color=color, label=name)
    axes.set(
        title="Calibration",
        xlabel="predicted probability",
        ylabel="share late or never",
        xlim=(0, top),
        ylim=(0, top),
    )
    axes.xaxis.set_major_formatter(_percent())
    axes.yaxis.set_major_formatter(_percent())
    axes.legend(loc="upper left")
    return figure


def curves(
    points: Mapping[str, tuple[Any, Any]], *, title: str, xlabel: str, ylabel: str, axes: Axes | None = None
) -> Figure:
    """Draw one line for each name."""
    figure, axes = _axes(axes)
    for (name, (x, y)), color in zip(points.items(), (BLUE, ORANGE, GREY), strict=False):
        axes.plot(x, y, color=color, linewidth=2, label=name)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.legend()
    return figure


def slices(
    model: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]], *, by: str, axes: Axes | None = None
) -> Figure:
    """Draw the AUC of each slice by one column, of the model and of the base rate."""
    figure, axes = _axes(axes)
    known = [
        (m, b) for m, b in zip(model, base, strict=True) if m["slice"] == by and m["auc"] is not None and m["n"] >= 100
    ]
    names = [str(m["value"]) for m, _ in known]
    for position, (m, b) in enumerate(known):
        axes.plot([position] * 2, [b["auc"], m["auc"]], color=GREY, linewidth=2, zorder=1)
    axes.scatter(range(len(known)), [b["auc"] for _, b in known], color=ORANGE, s=28, label="base rate", zorder=2)
    axes.scatter(range(len(known)), [m["auc"] for m, _ in known], color=BLUE, s=28, label="model", zorder=3)
    axes.axhline(0.5, color=GREY, linestyle="--", linewidth=1)
    axes.set_xticks(range(len(known)), names)
    axes.set(title=f"AUC by {by}", xlabel=by, ylabel="AUC")
    axes.grid(axis="x", visible=False)
    axes.legend(loc="upper right", ncols=2)
    axes.margins(y=0.22)
    return figure


def panels(rows: int, columns: int, *, size: tuple[float, float]) -> tuple[Figure, Any]:
    """Return a figure and its axes, to be shown as the value of a cell."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(rows, columns, figsize=size)
    # Closed in pyplot, so that a cell shows the figure once, as its value.
    plt.close(figure)
    return figure, axes


def _axes(axes: Axes | None, *, size: tuple[float, float] = (8.0, 3.6)) -> tuple[Figure, Axes]:
    if axes is None:
        return panels(1, 1, size=size)
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure, axes


def _percent() -> Any:
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1.0, decimals=0)


def _range(interval: pd.Interval) -> str:
    return f"{interval.left:g}–{interval.right:g}" if interval.right < 1e6 else f"{interval.left:g}+"
