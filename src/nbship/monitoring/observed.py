"""Collect the data of a window: logged rows, their looked-up columns, and the package to compare with."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MonitoringError
from ..forks import forked
from ..model.package import MANIFEST, Manifest, Package, check_signer, read_files, read_manifest
from ..model.signature import Signature
from ..prediction_log import Part, log_address, open_log
from ..project import Project, load
from ..run_records import RUNS, read_records
from .calendar import with_slices
from .observation import SHARES, Counts, Effects, Rows, in_turn, read_parts, read_requests
from .report import Observed, build_report
from .report_file import read_report, write_report
from .service import training
from .window import Window, days_over, parse_window

if TYPE_CHECKING:
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
    with ExitStack() as stack:
        # What reads the log is forked first: a connection to a database does not outlive a fork.
        reads: list[Callable[..., Iterator[Any]]] = [
            *(partial(read_parts, share=share) for share in range(SHARES)),
            read_requests,
        ]
        *parts, requests = [
            stack.enter_context(forked(partial(_read, read, project, signature, window))) for read in reads
        ]
        counts = Counts(signature, files, window, project.settings.monitoring.relations)
        rows = Rows(project.settings.slices, counts.codes.columns)
        unreadable: Sequence[str] = ()
        with _without_garbage_collection():
            for part in in_turn(parts):
                if not isinstance(part, Part):
                    unreadable = part
                    continue
                frame, codes = counts.add(part)
                frame = with_slices(frame, project.settings.slices, zone=project.timezone)
                rows.append(part._replace(frame=frame), codes)
        found = next(requests)
    # Requests to a service are of the time of the response; their events may lie in other windows.
    if rows.empty and not found.service["requests"]:
        raise MonitoringError(_nothing(found.as_of, window, unreadable))
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
        service=found.service | {"resources": found.resources},
        training=training(read_records(project.state / RUNS)),
        unreadable=unreadable,
        has_effect=Effects(signature, manifest, files, counts.sample).has_effect,
        collected=counts.collector.collected(),
        as_of=found.as_of,
        over=days_over(window),
        inputs=inputs,
        pairs=counts.pairs,
    )


def _read(read: Callable[..., Iterator[Any]], project: Project, signature: Signature, window: Window) -> Iterator[Any]:
    with open_model_log(project) as log:
        yield from read(log, signature, window)


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


def _nothing(latest: datetime | None, window: Window, unreadable: Sequence[str]) -> str:
    advice = (
        f"Choose another window; the latest event is of {latest.astimezone(window.zone):%Y-%m-%d}."
        if latest
        else "Predict with `nbship predict` or `nbship serve` first."
    )
    reason = f" {unreadable[0]}" if unreadable else ""
    return f"The log has no predictions from '{window.first}' to '{window.last}'.{reason} {advice}"
