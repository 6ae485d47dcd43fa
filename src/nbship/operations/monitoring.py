"""Write the monitoring report of a window: notebook, HTML and JSON, in one folder, atomically."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import errors
from ..atomic_write import replacing_folder, write_whole
from ..errors import CellError, DeadKernelError, MonitoringError, NbshipError, NotebookError, ParameterError
from ..execution import normalize, render_html, with_own_programs
from ..execution.kernels import Callbacks, Failure, execute
from ..execution.redaction import project_redactor, redact_executed
from ..monitoring import (
    Window,
    end_of_today,
    last_whole_month,
    open_model_log,
    parse_window,
    read_report,
    read_signature,
)
from ..notebook import PINNED
from ..pipeline.inspection import (
    PYTHON,
    find_parameters,
    language_of,
    literal,
    read_notebook,
    render_notebook,
    replace_values,
    source_of,
)
from ..prediction_log import latest_event, log_address, require_event_time
from ..project import Project, Value
from ..text import first_line
from .freshness import is_current, mark, report_inputs

__all__ = ["Monitored", "choose_window", "monitor"]


@dataclass(frozen=True)
class Monitored:
    """A monitoring report on disk.

    Attributes
    ----------
    folder
        Holds `report.ipynb`, `report.html` and `report.json`.
    report
        The content of `report.json`.
    current
        Whether the report was already there and its inputs had not changed.
    """

    folder: Path
    report: Mapping[str, Any]
    current: bool = False


def choose_window(
    project: Project, first: str | None, last: str | None, *, on_later: Callable[[str], None] = lambda _: None
) -> Window:
    """Return the window between two dates, or without them the last whole month of logged events up to today.

    Parameters
    ----------
    on_later
        Called with a sentence about events after today, which do not choose the window.

    Raises
    ------
    MonitoringError
        If the dates are not a window, or the log has no events up to today.
    """
    if first is not None and last is not None:
        return parse_window(first, last, zone=project.timezone)
    _require_package(project)
    _require_log(project)
    end = end_of_today(project.timezone)
    with open_model_log(project) as log:
        latest = latest_event(log, read_signature(project), before=end)
        very_last = log.last_event()
    if very_last is None:
        raise MonitoringError(
            "The prediction log holds no predictions yet. Predict with `nbship predict` or `nbship serve` first."
        )
    later = f"has predictions for events after today, up to {very_last:%Y-%m-%d}"
    if latest is None:
        raise MonitoringError(f"The prediction log {later}, and none before. Choose a window with --from and --to.")
    if very_last >= end:
        on_later(f"The prediction log {later}. They do not choose the window: name one with --from and --to.")
    return last_whole_month(latest, zone=project.timezone)


def monitor(
    project: Project, window: Window, *, force: bool = False, on_cell: Callable[[int, int], None] | None = None
) -> Monitored:
    """Execute the monitoring notebook for a window and leave its report in the project's state.

    An earlier report of the same window is replaced, unless its inputs have not changed (`force` replaces it
    anyway). A run that fails leaves the earlier report in place.

    Raises
    ------
    MonitoringError
        If there is no package, no log, or no prediction in the window.
    NotebookError
        If the notebook is missing or has no parameters `window_from`, `window_to` and `product`.
    CellError, DeadKernelError
        If the notebook fails. Its outputs are kept in `.nbship/scratch/monitor/`.
    """
    _require_package(project)
    _require_log(project)
    target = project.reports / window.name
    _require_notebook(project)
    inputs = report_inputs(project, window)
    if not force and is_current(project, target, inputs):
        return Monitored(target, read_report(target / "report.json"), current=True)
    with replacing_folder(target) as folder:
        notebook = _filled(project, window, folder)
        callbacks = Callbacks(cell_started=on_cell) if on_cell else Callbacks()
        executed = execute(notebook, cwd=_notebook(project).parent, env=_environment(project), callbacks=callbacks)
        executed = redact_executed(executed, project_redactor(project, os.environ))
        # The report names its final folder, not the temporary one it was executed in.
        clean = normalize(_renamed(executed.notebook, _filled(project, window, target)), root=project.root)
        if executed.failure:
            raise _failed(project, executed.failure, clean)
        if not (folder / "report.json").is_file():
            raise MonitoringError(
                f"Notebook '{project.settings.monitoring.notebook}' wrote no report. "
                "Call `monitoring.report_window(window_from, window_to, product=product)` in it."
            )
        write_whole(folder / "report.ipynb", render_notebook(clean), durable=True, mode=0o600)
        write_whole(
            folder / "report.html",
            render_html(clean, title=f"{project.name} · {window.name}", code=False),
            durable=True,
            mode=0o600,
        )
    mark(project, target, inputs)
    return Monitored(target, read_report(target / "report.json"))


def _require_package(project: Project) -> None:
    if not (project.package / "MANIFEST.json").is_file():
        raise MonitoringError(
            f"There is no model package at '{_shown(project, project.package)}'. Build it with `nbship run`."
        )
    require_event_time(read_signature(project))


def _require_notebook(project: Project) -> None:
    name = project.settings.monitoring.notebook
    if not _notebook(project).is_file():
        raise NotebookError(
            f"The monitoring notebook '{name}' does not exist. Copy 'notebooks/90_monitor.ipynb' from nbship's repository, "
            "or name another notebook in nbship.yaml: `monitoring: {notebook: …}`."
        )
    language = language_of(read_notebook(_notebook(project), name=name)).name
    if language != PYTHON:
        raise NotebookError(f"'{name}' is in {language}. Write the monitoring notebook in Python.")


def _require_log(project: Project) -> None:
    path = log_address(project)
    if isinstance(path, Path) and not path.is_file():
        raise MonitoringError(
            f"There is no prediction log at '{_shown(project, path)}'. Predict with `nbship predict` or `nbship serve` first."
        )


def _notebook(project: Project) -> Path:
    return project.root / project.settings.monitoring.notebook


def _filled(project: Project, window: Window, folder: Path) -> dict[str, Any]:
    """Return the monitoring notebook with the window, and the report's path, in its parameters cell."""
    name = project.settings.monitoring.notebook
    notebook = read_notebook(_notebook(project), name=name)
    cell = find_parameters(notebook, name=name)
    product: Value = {"report": _path(project, folder)}
    values: dict[str, Value] = {"window_from": window.first, "window_to": window.last, "product": product}
    missing = [key for key in values if cell is None or key not in cell.assignments]
    if cell is None or missing:
        raise ParameterError(
            f"The parameters cell of '{name}' does not set '{missing[0]}'. Add a line such as `{missing[0]} = None` to it."
        )
    source = replace_values(cell, {key: literal(value) for key, value in values.items()})
    cells = [{**inner, "source": source_of(inner)} for inner in notebook["cells"]]
    cells[cell.index] = {**cells[cell.index], "source": source}
    return {**notebook, "cells": cells}


def _path(project: Project, folder: Path) -> str:
    """Return the report's path, relative to the notebook's folder if it lies in the project."""
    path = folder / "report.json"
    if not path.is_relative_to(project.root):
        return str(path)
    return Path(os.path.relpath(path, _notebook(project).parent)).as_posix()


def _renamed(executed: dict[str, Any], source: dict[str, Any]) -> dict[str, Any]:
    """Return the executed notebook with the sources of another copy of it."""
    cells = [
        {**cell, "source": other["source"]} for cell, other in zip(executed["cells"], source["cells"], strict=True)
    ]
    return {**executed, "cells": cells}


def _environment(project: Project) -> dict[str, str]:
    # A relative path would be resolved against the notebook's folder, where the kernel starts.
    own = {"NBSHIP_STATE": str(project.state)} if "NBSHIP_STATE" in os.environ else {}
    python_path = os.pathsep.join([str(project.source), *filter(None, [os.environ.get("PYTHONPATH")])])
    inherited = {key: value for key, value in os.environ.items() if key not in ("MPLBACKEND", "NBSHIP_STAGE")}
    if project.model:
        own["NBSHIP_MODEL"] = project.model
    return {**with_own_programs(inherited), **PINNED, **own, "PYTHONPATH": python_path}


def _failed(project: Project, failure: Failure, notebook: dict[str, Any]) -> NbshipError:
    message = first_line(failure.evalue, otherwise=failure.ename)
    known = getattr(errors, failure.ename, None)
    if isinstance(known, type) and issubclass(known, NbshipError):
        return MonitoringError(message)
    path = project.scratch / "monitor" / "report.ipynb"
    write_whole(path, render_notebook(notebook))
    number = notebook["cells"][failure.cell].get("execution_count")
    kind = CellError if failure.kind == "error" else DeadKernelError
    return kind(
        f"Notebook '{project.settings.monitoring.notebook}' failed in cell {f'In [{number}]' if number else failure.cell + 1}: "
        f"{failure.ename}: {message} Its outputs are in '{_shown(project, path)}'."
    )


def _shown(project: Project, path: Path) -> str:
    return str(path.relative_to(project.root)) if path.is_relative_to(project.root) else str(path)
