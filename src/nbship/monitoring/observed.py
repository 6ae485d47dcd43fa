"""Collect the data of a window: logged rows, their looked-up columns, and the package to compare with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import MonitoringError
from ..model.build import Distribution, load_reference
from ..model.package import MANIFEST, Manifest, check_signer, load_lookups, read_files, read_manifest
from ..model.signature import Column, Signature, columns_of
from ..prediction_log import log_address, open_log, predictions
from ..project import Project, load
from .calendar import with_slices
from .counting import compare
from .outcomes import kind_of, with_outcomes
from .report import Compared, Observed, build_report
from .report_file import write_report
from .service import service
from .window import Window, parse_window

if TYPE_CHECKING:
    import pandas as pd

    from ..data import Lookup
    from ..prediction_log import SqlLog

__all__ = ["observe", "open_model_log", "read_signature", "report_window"]


def report_window(window_from: str, window_to: str, *, product: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Build and write the report of a window, for the project of the current folder.

    Parameters
    ----------
    window_from, window_to
        The first date of the window and the first date after it, in the project's time zone.
    product
        Its `report` is the path of the file to write; by default `.nbship/scratch/monitor/report.json`.

    Returns
    -------
    dict
        The report, as `nbship.monitoring.report` describes it.

    Raises
    ------
    MonitoringError
        If the dates are not a window, or the log has no predictions in it.
    """
    project = load()
    window = parse_window(window_from, window_to, zone=project.timezone)
    observed = observe(project, window)
    minimum = project.settings.monitoring.min_rows
    report = build_report(observed, window, min_rows=minimum, folder=project.reports)
    write_report(report, Path((product or {}).get("report") or project.scratch / "monitor" / "report.json"))
    return report


def open_model_log(project: Project) -> SqlLog:
    """Open the project's prediction log, restricted to the served predictions of its package's model."""
    manifest = read_manifest((project.package / MANIFEST).read_bytes())
    return open_log(project).of_model(manifest.name)


def read_signature(project: Project) -> Signature:
    """Return the signature of the project's package, whose files are verified; the model is not loaded."""
    _, files = _read_package(project)
    return Signature.from_json(json.loads(files["signature.json"]))


def _read_package(project: Project) -> tuple[Manifest, Mapping[str, bytes]]:
    manifest, files = read_files(project.package)
    signers = [project.root / each for each in project.settings.release.signers]
    check_signer(project.package, manifest, signers=signers)
    return manifest, files


def observe(project: Project, window: Window) -> Observed:
    """Collect a window's served predictions of the project's model.

    Raises
    ------
    MonitoringError
        If there is no log, or it has no predictions in the window.
    """
    # The estimator is not loaded, so a report needs neither its code nor its libraries.
    manifest, files = _read_package(project)
    signature = Signature.from_json(json.loads(files["signature.json"]))
    path = log_address(project)
    if isinstance(path, Path) and not path.is_file():
        raise MonitoringError(
            f"There is no prediction log at '{path}'. Predict with `nbship predict` or `nbship serve` first."
        )
    with open_model_log(project) as log:
        frame = predictions(log, signature, start=window.start, end=window.end)
        if frame.empty:
            raise MonitoringError(_nothing(log, window, frame.attrs["unreadable"]))
        requests = service(log.requests(window.start, window.end))
    reference = load_reference(files["reference.parquet"])
    kind, columns = kind_of(signature), _inputs(signature, load_lookups(files), frame)
    scored = with_outcomes(
        frame.assign(**{name: columns[name] for name in columns if signature[name].lookup}), signature
    )
    scored = with_slices(scored, project.settings.slices, zone=project.timezone)
    return Observed(
        model=manifest.name,
        version=manifest.version,
        kind=kind,
        frame=scored,
        fields=[_compared(name, each, columns) for name, each in reference.items() if each.role == "input"],
        prediction=compare(kind, reference[kind], scored["predicted"].to_numpy()) if kind in reference else None,
        held_out=json.loads(files["acceptance.json"]).get("metrics") or None,
        slices=project.settings.slices,
        service=requests,
        unreadable=frame.attrs["unreadable"],
    )


def _inputs(signature: Signature, lookups: Sequence[Lookup], frame: pd.DataFrame) -> Mapping[str, Column]:
    """Return the inputs as the model saw them: fields that were left out are looked up again.

    The log does not distinguish left-out fields from nulls, so both are looked up.
    """
    columns = columns_of(frame[list(signature.names)])
    for lookup in lookups:
        absent = {name: _nulls(columns[name]) for name in lookup.columns if name in columns}
        columns = lookup.attach(columns, absent=absent)
    return columns


def _compared(name: str, reference: Distribution, columns: Mapping[str, Column]) -> Compared:
    values = columns.get(name)
    if values is not None and reference.kind == "category" and values.dtype.kind in "bf":
        # Booleans, as the reference names them.
        names = [None if value != value else str(bool(value)).lower() for value in values.tolist()]
        values = np.array(names, dtype=object)
    return compare(name, reference, values)


def _nulls(values: Column) -> Column:
    import pandas as pd

    return np.asarray(pd.isna(values))


def _nothing(log: SqlLog, window: Window, unreadable: Sequence[str]) -> str:
    latest = log.last_event()
    advice = (
        f"Choose a window up to the latest event, {latest.astimezone(window.zone):%Y-%m-%d}."
        if latest
        else "Predict with `nbship predict` or `nbship serve` first."
    )
    reason = f" {unreadable[0]}" if unreadable else ""
    return f"The log has no predictions from '{window.first}' to '{window.last}'.{reason} {advice}"
