"""Collect the data of a window: logged rows, their looked-up columns, and the package to compare with."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MonitoringError
from ..model.build import Distribution, Grouping, Reference, load_reference, measure
from ..model.package import MANIFEST, Manifest, Package, check_signer, load_lookups, read_files, read_manifest
from ..model.signature import Codes, Column, Signature
from ..prediction_log import Part, Parts, input_column, latest_event, log_address, open_log
from ..project import Project, load
from ..run_records import RUNS, read_records
from .calendar import with_slices
from .coding import InputCodes, coded_columns, taken
from .drift import Collector, FieldCounts, plan, read_relations
from .effects import Effects, Sample
from .outcomes import kind_of, with_outcomes
from .performance import Pairs
from .report import Observed, build_report
from .report_file import read_report, write_report
from .rows import Rows
from .service import resources, service, training
from .window import Window, days_over, end_of_today, parse_window

if TYPE_CHECKING:
    import pandas as pd

    from ..prediction_log import SqlLog

__all__ = ["observe", "open_model_log", "read_signature", "report_window", "write_report_of"]


def report_window(
    window_from: str, window_to: str, *, model: str | None = None, product: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the report of a window, for the project of the current folder.

    `nbship monitor` computes the report once and lets each notebook read it; by hand, it is computed here.

    Parameters
    ----------
    window_from, window_to
        The first date of the window and the first date after it, in the project's time zone.
    model
        The model's name, in a project with several.
    product
        Its `report` is the path of the report, which is read if it is there and written if not; without `product`, the
        report is written to `.nbship/scratch/monitor/report.json`.

    Returns
    -------
    dict
        The report, as `nbship.monitoring.report` describes it.

    Raises
    ------
    MonitoringError
        If the dates are not a window, or the log has no predictions in it.
    """
    path = (product or {}).get("report")
    if path and Path(path).is_file():
        report = read_report(Path(path))
        of = report["window"]
        if (of["from"], of["to"]) != (window_from, window_to):
            raise MonitoringError(
                f"The report '{path}' is of the window from '{of['from']}' to '{of['to']}'. Set `product = None` to compute the report of another window."
            )
        return report
    project = load(model=model)
    return write_report_of(
        window_from, window_to, path=path or project.scratch / "monitor" / "report.json", project=project
    )


def write_report_of(
    window_from: str,
    window_to: str,
    *,
    path: Path | str,
    also: Path | str | None = None,
    project: Project | None = None,
) -> dict[str, Any]:
    """Compute the report of a window, and write it.

    Parameters
    ----------
    path
        The file to write.
    also
        A folder with reports of earlier windows that are newer than the project's, one folder a window.
    project
        None: the project of the current folder.
    """
    project = project or load()
    window = parse_window(window_from, window_to, zone=project.timezone)
    observed = observe(project, window)
    monitoring = project.settings.monitoring
    report = build_report(
        observed,
        window,
        min_rows=monitoring.min_rows,
        row_counts=monitoring.row_counts,
        folders=[project.reports, *([Path(also)] if also else [])],
    )
    write_report(report, Path(path))
    return report


def open_model_log(project: Project) -> SqlLog:
    """Open the project's prediction log, restricted to the served predictions of its package's model."""
    manifest = read_manifest((project.package / MANIFEST).read_bytes())
    return open_log(project).of_model(manifest.name)


def read_signature(project: Project) -> Signature:
    """Return the signature of the project's package, whose files are verified; the model is not loaded."""
    return Package(*_read_package(project)).signature


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
    manifest, files = _read_package(project)
    package = Package(manifest, files)
    signature = package.signature
    path = log_address(project)
    if isinstance(path, Path) and not path.is_file():
        raise MonitoringError(
            f"There is no prediction log at '{path}'. Predict with `nbship predict` or `nbship serve` first."
        )
    relations = project.settings.monitoring.relations
    counts = _Counts(signature, files, window, relations)
    rows = Rows([*project.settings.slices, *counts.codes.columns])
    with open_model_log(project) as log:
        parts = Parts(log, signature, start=window.start, end=window.end, coded=True)
        with _without_garbage_collection():
            for part in parts:
                if len(part.frame):
                    frame = with_slices(counts.add(part), project.settings.slices, zone=project.timezone)
                    rows.append(part._replace(frame=frame))
        as_of = latest_event(log, signature, before=end_of_today(window.zone))
        requests = service(log.timings(window.start, window.end), zone=window.zone)
        # Requests to a service are of the time of the response; their events may lie in other windows.
        if rows.empty and not requests["requests"]:
            raise MonitoringError(_nothing(as_of, window, parts.unreadable))
        used = resources(log.usage(window.start, window.end), zone=window.zone)
    frame, inputs = counts.codes.take_from(rows.frame())
    return Observed(
        model=manifest.name,
        version=manifest.version,
        kind=counts.kind,
        frame=frame,
        fields=[field.compared() for field in counts.fields.values()],
        prediction=None if counts.prediction is None else counts.prediction.compared(),
        held_out=package.acceptance.metrics or None,
        slices=project.settings.slices,
        service=requests | {"resources": used},
        training=training(read_records(project.state / RUNS)),
        unreadable=parts.unreadable,
        has_effect=Effects(signature, manifest, files, counts.sample).has_effect,
        collected=counts.collector.collected(),
        as_of=as_of,
        over=days_over(window),
        inputs=inputs,
        pairs=counts.pairs,
    )


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Leave out the search for cycles, which finds none among millions of values that are read, and takes a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Counts:
    """Counts of the inputs and the predictions of a window."""

    def __init__(
        self, signature: Signature, files: Mapping[str, bytes], window: Window, relations: Sequence[str]
    ) -> None:
        reference = load_reference(files["reference.parquet"])
        self._signature, self._lookups, self._reference, self._window = (
            signature,
            load_lookups(files),
            reference,
            window,
        )
        self._plan = plan(window, reference.periods)
        self.kind = kind_of(signature)
        self.sample = Sample()
        self.collector = Collector(signature, reference, self._plan, read_relations(relations, signature))
        self.fields = {
            name: FieldCounts(name, each, self._plan)
            for name, each in reference.fields.items()
            if each.role in ("input", "given") and _is_logged(name, each, signature)
        }
        self.codes = InputCodes({name: each for name, each in reference.fields.items() if each.role == "input" and name in self.fields})  # fmt: skip
        trained = max((each.rows for each in reference.fields.values()), default=0)
        self.pairs = None if reference.pairs is None else Pairs(reference.pairs, trained)
        known = reference.fields.get(self.kind)
        self.prediction = None if known is None else FieldCounts(self.kind, known, self._plan)

    def add(self, part: Part) -> pd.DataFrame:
        """Count a part, and return its frame with its looked-up columns and its outcomes."""
        columns, days = self._inputs(part), Grouping(self._days(part), self._plan.number)
        measured = measure(columns, self._signature)
        self.sample.add(columns)
        self.collector.add(columns, measured, days.of_rows)
        for name, field in self.fields.items():
            field.add(*_given(name, measured, days, self._reference))
        # Codes are those of the frame: no row left the field out.
        looked_up = {
            input_column(name): column
            for name, column in columns.items()
            if self._signature[name].lookup and not isinstance(column, Codes)
        }
        scored = with_outcomes(part.frame.assign(**looked_up, **self.codes.encode(measured)), self._signature)
        if self.prediction is not None:
            self.prediction.add(scored["predicted"].to_numpy(), days)
        return scored

    def _days(self, part: Part) -> NDArray[np.int64]:
        if self._plan.number == 1:
            return np.zeros(len(part.frame), dtype=np.int64)
        local = part.frame["event_time"].dt.tz_convert(self._window.zone).dt.tz_localize(None).to_numpy()
        first = np.datetime64(self._window.days[0]).astype(np.int64)
        return np.asarray(local.astype("datetime64[D]").astype(np.int64) - first)

    def _inputs(self, part: Part) -> Mapping[str, Any]:
        """Return the inputs as the model saw them: fields that were left out are looked up again, nulls stay nulls."""
        names = self._signature.names
        columns = coded_columns(part.frame[[input_column(name) for name in names]].set_axis(list(names), axis=1))
        for lookup in self._lookups:
            absent = {name: part.absent[name] for name in lookup.columns if name in part.absent}
            if any(mask.any() for mask in absent.values()):
                read = {name: np.asarray(columns[name]) for name in (*(key.column for key in lookup.keys), *absent)}
                found = lookup.attach(read, absent=absent)
                columns = {**columns, **{name: found[name] for name in lookup.columns}}
        return columns


def _is_logged(name: str, reference: Distribution, signature: Signature) -> bool:
    """Return whether the log has a field: it has pseudonyms of personal strings, and no other personal values."""
    field = signature[reference.given[0] if reference.given else name]
    return not field.pii or (field.pii != "drop" and field.dtype in ("string", "category"))


def _given(
    name: str, measured: Mapping[str, Any], days: Grouping, reference: Reference
) -> tuple[Column | None, Grouping]:
    """Return the values of a field and their days; of a field given another, only the rows with that value."""
    given = reference.fields[name].given
    if given is None:
        return measured.get(name), days
    if given[0] not in measured or given[1] not in measured:
        return None, days
    chosen = np.asarray(measured[given[1]]) == given[2]
    return taken(measured[given[0]], chosen), days.taken(chosen)


def _nothing(latest: datetime | None, window: Window, unreadable: Sequence[str]) -> str:
    advice = (
        f"Choose another window; the latest event is of {latest.astimezone(window.zone):%Y-%m-%d}."
        if latest
        else "Predict with `nbship predict` or `nbship serve` first."
    )
    reason = f" {unreadable[0]}" if unreadable else ""
    return f"The log has no predictions from '{window.first}' to '{window.last}'.{reason} {advice}"
