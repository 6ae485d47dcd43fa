"""What a monitoring report needs: a package, a prediction log, notebooks."""

from __future__ import annotations

from pathlib import Path

from ..errors import MonitoringError, NotebookError
from ..monitoring import read_signature
from ..pipeline.inspection import PYTHON, language_of, read_notebook
from ..prediction_log import log_address, require_event_time
from ..project import Project

__all__ = ["output_names", "require_log", "require_notebooks", "require_package", "shown_path"]

# The cover page and the report have these names in the folder of a window.
_TAKEN = ("report", "figures")


def require_package(project: Project) -> None:
    """Raise MonitoringError without a model package, LogError if its model has no event time."""
    if not (project.package / "MANIFEST.json").is_file():
        raise MonitoringError(
            f"There is no model package at '{shown_path(project, project.package)}'. Build it with `nbship run`."
        )
    require_event_time(read_signature(project))


def require_log(project: Project) -> None:
    """Raise MonitoringError if the prediction log is a file that does not exist."""
    path = log_address(project)
    if isinstance(path, Path) and not path.is_file():
        raise MonitoringError(
            f"There is no prediction log at '{shown_path(project, path)}'. Predict with `nbship predict` or `nbship serve` first."
        )


def require_notebooks(project: Project) -> None:
    """Raise NotebookError if a monitoring notebook is missing or not in Python, or two write files of one name."""
    for name in project.settings.monitoring.notebooks:
        if not (project.root / name).is_file():
            raise NotebookError(
                f"The monitoring notebook '{name}' does not exist. Copy it from nbship's repository, or name other "
                "notebooks in nbship.yaml: `monitoring: {notebooks: […]}`."
            )
        language = language_of(read_notebook(project.root / name, name=name)).name
        if language != PYTHON:
            raise NotebookError(f"'{name}' is in {language}. Write monitoring notebooks in Python.")
    output_names(project)


def output_names(project: Project) -> dict[str, str]:
    """Return the name of each monitoring notebook's files in a report's folder: its own without the leading number.

    For example, `notebooks/90_monitor_data.ipynb` is executed as `monitor_data.ipynb`, with the page `monitor_data.html`.
    """
    found: dict[str, str] = {}
    for name in project.settings.monitoring.notebooks:
        stem = Path(name).stem
        short = stem.lstrip("0123456789").lstrip("_-") or stem
        if short in _TAKEN or short in found.values():
            raise NotebookError(
                f"The files of the monitoring notebook '{name}' would be named '{short}', which is taken. Rename the notebook."
            )
        found[name] = short
    return found


def shown_path(project: Project, path: Path) -> str:
    """Return a path as messages show it: relative to the project if it lies there."""
    return str(path.relative_to(project.root)) if path.is_relative_to(project.root) else str(path)
