"""Gather what a window brought: the log's rows, what was looked up for them, and the package to hold them against."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import MonitoringError
from ..model.columns import Column, columns_of
from ..model.reference import Distribution, load_reference
from ..prediction_log import log_path, open_log, predictions
from ..project import Project, load
from .calendar import with_slices
from .counting import compare
from .outcomes import kind_of, with_outcomes
from .report import Observed, build_report, write_report
from .window import Window, parse_window

if TYPE_CHECKING:
    import pandas as pd

    from ..prediction_log import Record, SqliteLog
    from ..predictor import PackagePredictor

__all__ = ["observe", "report_window"]


def report_window(window_from: str, window_to: str, *, product: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Make and write the report of a window of the project in which this is called.

    Parameters
    ----------
    window_from, window_to
        Dates in the project's time zone: the first of the window and the first after it.
    product
        `report` is the path of the file to write. By hand, without it: `.nbship/scratch/monitor/report.json`.

    Returns
    -------
    dict
        The report, as `nbship.monitoring.report` describes it.

    Raises
    ------
    MonitoringError
        If the dates make no window, or no prediction in it was logged.
    """
    project = load()
    window = parse_window(window_from, window_to, zone=project.timezone)
    observed = observe(project, window)
    minimum = project.settings.monitoring.min_rows
    report = build_report(observed, window, min_rows=minimum, folder=project.state / "monitoring")
    write_report(report, Path((product or {}).get("report") or project.scratch / "monitor" / "report.json"))
    return report


def observe(project: Project, window: Window) -> Observed:
    """Gather a window's predictions of the project's model.

    Raises
    ------
    MonitoringError
        If there is no log, or no prediction in the window.
    """
    from ..predictor import load as load_package

    package = load_package(project.package)
    path = log_path(project)
    if not path.is_file():
        raise MonitoringError(
            f"There is no prediction log at '{path}'. Predict with `nbship predict` or `nbship serve` first."
        )
    with open_log(project) as log:
        frame = predictions(log, package.signature, start=window.start, end=window.end)
        if frame.empty:
            raise MonitoringError(_nothing(log, window, frame.attrs["unreadable"]))
        answered = log.answered(window.start, window.end)
    return _observed(project, window, package, frame, answered)


def _observed(
    project: Project, window: Window, package: PackagePredictor, frame: pd.DataFrame, answered: Sequence[Record]
) -> Observed:
    reference = load_reference(package.files["reference.parquet"])
    kind, columns = kind_of(package.signature), _inputs(package, frame)
    fields = [
        compare(name, distribution, _as_category(columns[name], distribution))
        for name, distribution in reference.items()
        if distribution.role == "input"
    ]
    scored = with_slices(
        with_outcomes(frame.assign(**_looked_up(package, columns)), package.signature),
        project.settings.slices,
        zone=project.timezone,
    )
    known = reference.get(kind)
    return Observed(
        model=package.name,
        version=package.version,
        kind=kind,
        frame=scored,
        fields=fields,
        prediction=None if known is None else compare(kind, known, scored["predicted"].to_numpy()),
        held_out=json.loads(package.files["acceptance.json"]).get("metrics") or None,
        slices=project.settings.slices,
        records=answered,
        unreadable=frame.attrs.get("unreadable", ()),
    )


def _inputs(package: PackagePredictor, frame: pd.DataFrame) -> dict[str, Column]:
    """Return the inputs as the model saw them: what was left out is looked up again.

    The log does not tell what was left out from what was null; both are looked up here.
    """
    columns = dict(columns_of(frame[list(package.signature.names)]))
    for lookup in package.lookups:
        absent = {name: _nulls(columns[name]) for name in lookup.columns if name in columns}
        columns = lookup.attach(columns, absent=absent)
    return columns


def _nulls(values: Column) -> Column:
    import pandas as pd

    return np.asarray(pd.isna(values))


def _looked_up(package: PackagePredictor, columns: Mapping[str, Column]) -> dict[str, Column]:
    return {name: columns[name] for lookup in package.lookups for name in lookup.columns if name in columns}


def _as_category(values: Column, like: Distribution) -> Column:
    """Write truth values as the reference names them."""
    if like.kind != "category" or values.dtype.kind not in "bf":
        return values
    return np.array([None if value != value else str(bool(value)).lower() for value in values.tolist()], dtype=object)


def _nothing(log: SqliteLog, window: Window, unreadable: Sequence[str]) -> str:
    latest = log.last_event()
    known = f"The latest one is of {latest.astimezone(window.zone):%Y-%m-%d}" if latest else "There are none at all"
    told = f" {unreadable[0]}" if unreadable else ""
    return f"No prediction from {window.first} until {window.last} is in the log. {known}.{told}"
